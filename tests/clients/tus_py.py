"""A stock tuspy, used as its documentation shows. Run twice, as two processes:

    python tus_py.py '{"phase":"start", ...}'    stops once `stop_at` bytes were sent
    python tus_py.py '{"phase":"resume", ...}'   finds the upload in its storage and finishes it

Both print one JSON object; the second says from which offset it went on.
"""

import json
import sys

from tusclient import client
from tusclient.storage import filestorage

job = json.loads(sys.argv[1])
tus = client.TusClient(job["endpoint"], headers={"Authorization": f"Bearer {job['token']}"})
uploader = tus.uploader(
    job["file"],
    chunk_size=job["chunk"],
    metadata={"filename": "film.mp4", "filetype": "video/mp4", "sha256": job["sha256"]},
    store_url=True,
    url_storage=filestorage.FileStorage(job["store"]),
    upload_checksum=job["checksum"],
    retries=3,
    retry_delay=0.2,
)
resumed_from = uploader.offset if uploader.url else None
if job["phase"] == "start":
    uploader.upload(stop_at=job["stop_at"])
else:
    uploader.upload()
print(json.dumps({"url": uploader.url, "resumed_from": resumed_from, "sent": uploader.offset}))
