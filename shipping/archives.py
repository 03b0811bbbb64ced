"""A source distribution that is the same for the same files, wherever and whenever it is made."""

import gzip
import os
import pathlib
import tarfile


def write(path, folder, seconds):
    """Writes a folder as a .tar.gz: files in order, all of one time, nobody's, with no modes but "executable"."""
    folder = pathlib.Path(folder)
    with (
        open(path, "wb") as file,
        gzip.GzipFile("", "wb", 9, file, seconds) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for source in [folder, *sorted(folder.rglob("*"))]:
            entry = archive.gettarinfo(source, source.relative_to(folder.parent).as_posix())
            if entry.islnk():  # a file with two names in the checkout
                entry.type, entry.linkname, entry.size = tarfile.REGTYPE, "", os.stat(source).st_size
            entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname = seconds, 0, 0, "", ""
            entry.mode = 0o755 if entry.isdir() or entry.mode & 0o100 else 0o644
            if entry.isfile():
                with open(source, "rb") as content:
                    archive.addfile(entry, content)
            else:
                archive.addfile(entry)
