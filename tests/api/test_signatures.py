"""Names, parameters and defaults of RDD's methods, against a list frozen from PySpark 4.

The list was recorded by introspection of `pyspark.RDD`; a default that is a
function stands as `<function>`.
"""

from __future__ import annotations

import inspect
from typing import Any

import pytest

PYSPARK: dict[str, str] = {
    "__add__": "other",
    "aggregate": "zeroValue, seqOp, combOp",
    "aggregateByKey": (
        "zeroValue, seqFunc, combFunc, numPartitions=None, partitionFunc=<function>"
    ),
    "barrier": "",
    "cache": "",
    "cartesian": "other",
    "checkpoint": "",
    "cleanShuffleDependencies": "blocking=False",
    "coalesce": "numPartitions, shuffle=False",
    "cogroup": "other, numPartitions=None",
    "collect": "",
    "collectAsMap": "",
    "collectWithJobGroup": "groupId, description, interruptOnCancel=False",
    "combineByKey": (
        "createCombiner, mergeValue, mergeCombiners, numPartitions=None, partitionFunc=<function>"
    ),
    "context": "property",
    "count": "",
    "countApprox": "timeout, confidence=0.95",
    "countApproxDistinct": "relativeSD=0.05",
    "countByKey": "",
    "countByValue": "",
    "distinct": "numPartitions=None",
    "filter": "f",
    "first": "",
    "flatMap": "f, preservesPartitioning=False",
    "flatMapValues": "f",
    "fold": "zeroValue, op",
    "foldByKey": "zeroValue, func, numPartitions=None, partitionFunc=<function>",
    "foreach": "f",
    "foreachPartition": "f",
    "fullOuterJoin": "other, numPartitions=None",
    "getCheckpointFile": "",
    "getNumPartitions": "",
    "getResourceProfile": "",
    "getStorageLevel": "",
    "glom": "",
    "groupBy": "f, numPartitions=None, partitionFunc=<function>",
    "groupByKey": "numPartitions=None, partitionFunc=<function>",
    "groupWith": "other, *others",
    "histogram": "buckets",
    "id": "",
    "intersection": "other",
    "isCheckpointed": "",
    "isEmpty": "",
    "isLocallyCheckpointed": "",
    "join": "other, numPartitions=None",
    "keyBy": "f",
    "keys": "",
    "leftOuterJoin": "other, numPartitions=None",
    "localCheckpoint": "",
    "lookup": "key",
    "map": "f, preservesPartitioning=False",
    "mapPartitions": "f, preservesPartitioning=False",
    "mapPartitionsWithIndex": "f, preservesPartitioning=False",
    "mapPartitionsWithSplit": "f, preservesPartitioning=False",
    "mapValues": "f",
    "max": "key=None",
    "mean": "",
    "meanApprox": "timeout, confidence=0.95",
    "min": "key=None",
    "name": "",
    "partitionBy": "numPartitions, partitionFunc=<function>",
    "persist": "storageLevel=StorageLevel(False, True, False, False, 1)",
    "pipe": "command, env=None, checkCode=False",
    "randomSplit": "weights, seed=None",
    "reduce": "f",
    "reduceByKey": "func, numPartitions=None, partitionFunc=<function>",
    "reduceByKeyLocally": "func",
    "repartition": "numPartitions",
    "repartitionAndSortWithinPartitions": (
        "numPartitions=None, partitionFunc=<function>, ascending=True, keyfunc=<function>"
    ),
    "rightOuterJoin": "other, numPartitions=None",
    "sample": "withReplacement, fraction, seed=None",
    "sampleByKey": "withReplacement, fractions, seed=None",
    "sampleStdev": "",
    "sampleVariance": "",
    "saveAsHadoopDataset": "conf, keyConverter=None, valueConverter=None",
    "saveAsHadoopFile": (
        "path, outputFormatClass, keyClass=None, valueClass=None, keyConverter=None, "
        "valueConverter=None, conf=None, compressionCodecClass=None"
    ),
    "saveAsNewAPIHadoopDataset": "conf, keyConverter=None, valueConverter=None",
    "saveAsNewAPIHadoopFile": (
        "path, outputFormatClass, keyClass=None, valueClass=None, keyConverter=None, "
        "valueConverter=None, conf=None"
    ),
    "saveAsPickleFile": "path, batchSize=10",
    "saveAsSequenceFile": "path, compressionCodecClass=None",
    "saveAsTextFile": "path, compressionCodecClass=None",
    "setName": "name",
    "sortBy": "keyfunc, ascending=True, numPartitions=None",
    "sortByKey": "ascending=True, numPartitions=None, keyfunc=<function>",
    "stats": "",
    "stdev": "",
    "subtract": "other, numPartitions=None",
    "subtractByKey": "other, numPartitions=None",
    "sum": "",
    "sumApprox": "timeout, confidence=0.95",
    "take": "num",
    "takeOrdered": "num, key=None",
    "takeSample": "withReplacement, num, seed=None",
    "toDF": "schema=None, sampleRatio=None",
    "toDebugString": "",
    "toLocalIterator": "prefetchPartitions=False",
    "top": "num, key=None",
    "treeAggregate": "zeroValue, seqOp, combOp, depth=2",
    "treeReduce": "f, depth=2",
    "union": "other",
    "unpersist": "blocking=False",
    "values": "",
    "variance": "",
    "withResources": "profile",
    "zip": "other",
    "zipWithIndex": "",
    "zipWithUniqueId": "",
}

#: Methods of PySpark that have no meaning here, with the reason.
LEFT_OUT: dict[str, str] = {}
#: Public names that PySpark has as plain attributes, or not at all.
OURS = {
    "toArrow",
    "toPandas",
    "ctx",
    "explain",
    "is_cached",
    "is_checkpointed",
    "partitioner",
    "setIndeterminate",
}


def signature(member: Any) -> str:
    """A method's parameters after `self`, in the form of the list."""
    if isinstance(member, property):
        return "property"
    found = []
    for parameter in list(inspect.signature(member).parameters.values())[1:]:
        text = ("*" if parameter.kind is parameter.VAR_POSITIONAL else "") + parameter.name
        if parameter.default is not parameter.empty:
            default = parameter.default
            text += "=" + ("<function>" if callable(default) else repr(default))
        found.append(text)
    return ", ".join(found)


@pytest.mark.parametrize("name", sorted(set(PYSPARK) - set(LEFT_OUT)))
def test_signature_is_pysparks(engine: Any, name: str) -> None:
    member = inspect.getattr_static(engine.RDD, name, None)
    if member is None:
        pytest.fail(f"RDD.{name}({PYSPARK[name]}) is missing")
    assert signature(member) == PYSPARK[name]


@pytest.mark.minispark_only
def test_no_other_public_names(engine: Any) -> None:
    names = {name for name in dir(engine.RDD) if not name.startswith("_")}
    assert names - set(PYSPARK) - OURS == set()


def test_an_rdd_can_be_subscripted(engine: Any) -> None:
    assert engine.RDD[int] is not engine.RDD
