"""The class RDD: the top of the chain, and the index of all its methods.

    _Core ← _NarrowOps ← _SampleOps ← _WideOps ← _PairOps ← _JoinOps
          ← _ActionOps ← _KeyedActionOps ← _NumericOps
          ← _ApproximateOps ← _OutputOps ← _TableOps ← RDD

Each class may use the methods of those before it; state is in `_Core` alone.
"""

from __future__ import annotations

from minispark._typing import T_co
from minispark.rdd._tables import _TableOps


class RDD(_TableOps[T_co]):
    """A resilient distributed dataset: records in partitions, and how to compute them.

    Made by a `SparkContext` (`parallelize`, `textFile`, …) or from another RDD.
    Immutable and lazy: transformations describe, actions compute.

    Elements
        `map` `flatMap` `filter` `mapPartitions` `mapPartitionsWithIndex`
        `mapPartitionsWithSplit` `glom` `pipe`
    Several RDDs
        `union` `zip` `zipWithIndex` `zipWithUniqueId` `cartesian` `intersection`
        `subtract`
    Random parts
        `sample` `sampleByKey` `randomSplit` `takeSample` `setIndeterminate`
    Partitions
        `getNumPartitions` `partitioner` `coalesce` `repartition` `partitionBy`
        `repartitionAndSortWithinPartitions`
    Keys and order
        `keyBy` `keys` `values` `mapValues` `flatMapValues` `groupBy` `distinct` `sortBy`
        `sortByKey`
    By key
        `reduceByKey` `groupByKey` `combineByKey` `aggregateByKey` `foldByKey`
        `reduceByKeyLocally` `countByKey` `countByValue` `collectAsMap` `lookup`
    Joins
        `join` `leftOuterJoin` `rightOuterJoin` `fullOuterJoin` `cogroup` `groupWith`
        `subtractByKey`
    To the driver
        `collect` `collectWithJobGroup` `toLocalIterator` `take` `first` `top` `takeOrdered`
        `isEmpty` `count` `reduce` `fold` `aggregate` `treeReduce` `treeAggregate`
        `foreach` `foreachPartition` `toArrow` `toPandas`
    Numbers
        `sum` `mean` `min` `max` `stats` `variance` `stdev` `sampleVariance` `sampleStdev`
        `histogram` `countApprox` `sumApprox` `meanApprox` `countApproxDistinct`
    To files
        `saveAsTextFile` `saveAsPickleFile` `saveAsSequenceFile`
    Kept
        `cache` `persist` `unpersist` `is_cached` `getStorageLevel` `checkpoint`
        `localCheckpoint` `isCheckpointed` `is_checkpointed` `isLocallyCheckpointed`
        `getCheckpointFile` `cleanShuffleDependencies`
    Where its tasks run
        `barrier` `withResources`
    About it
        `context` `id` `name` `setName` `toDebugString` `explain` `getResourceProfile`
    Not available
        `saveAsHadoopFile` `saveAsHadoopDataset`
        `saveAsNewAPIHadoopFile` `saveAsNewAPIHadoopDataset` `toDF`

    Examples
    --------
    >>> words = sc.parallelize(["to be", "or not to be"]).flatMap(str.split)
    >>> sorted(words.map(lambda w: (w, 1)).reduceByKey(lambda a, b: a + b).collect())
    [('be', 2), ('not', 1), ('or', 1), ('to', 2)]
    """

    __module__ = "minispark"

    __slots__ = ()
