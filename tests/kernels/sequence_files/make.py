"""Writes the files beside it. Run with a Python that has PySpark, and Java:

python tests/kernels/sequence_files/make.py
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import contents  # noqa: E402

_CODECS = "org.apache.hadoop.io.compress."
_FORMAT = "org.apache.hadoop.mapred.SequenceFileOutputFormat"


def main() -> None:
    from pyspark import SparkContext

    folder = Path(tempfile.mkdtemp())

    def keep(name: str) -> None:
        shutil.copyfile(folder / name / "part-00000", HERE / name)

    with SparkContext("local[1]", "fixtures") as sc:
        for name, pairs in contents.files().items():
            rdd, path = sc.parallelize(pairs, 1), str(folder / name)
            codec = _CODECS + name.partition("-")[2].removesuffix(".seq")
            if name.startswith("record-"):
                prefix = "mapreduce.output.fileoutputformat.compress"
                conf = {prefix: "true", f"{prefix}.type": "RECORD", f"{prefix}.codec": codec}
                rdd.saveAsHadoopFile(path, _FORMAT, conf=conf)
            elif name.startswith("block"):
                rdd.saveAsSequenceFile(path, codec if "-" in name else _CODECS + "DefaultCodec")
            else:
                rdd.saveAsSequenceFile(path)
            keep(name)
        for size in contents.BATCH_SIZES:
            name = f"pickled{size}.seq"
            sc.parallelize(contents.PICKLED, 1).saveAsPickleFile(str(folder / name), size)
            keep(name)


if __name__ == "__main__":
    main()
