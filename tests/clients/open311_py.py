"""Stock Open311 clients, used as their documentation shows: georeport reads in JSON and in XML, civicbot reports.

    python open311_py.py '{"root": "http://127.0.0.1:8080/open311/v2", "api_key": "…", "code": "component-0101"}'

Prints one JSON object with what each of them heard.
"""

import json
import sys

from civicbot import Endpoint, HttpError, HttpTransport, Open311Client
from civicbot.http import RateLimiter
from georeport import GeoReport

job = json.loads(sys.argv[1])
endpoint = Endpoint(id="here", name="here", base_url=job["root"], write=True)
writer = Open311Client(endpoint, HttpTransport(rate_limiter=RateLimiter(min_interval=0.0)), jurisdiction_id="431221")


def report(api_key):
    prepared = writer.create_request(
        job["code"],
        dry_run=False,
        confirm="SEND",
        api_key=api_key,
        validate_remote=True,
        lat=27.44,
        lng=109.95,
        description="井盖 <破损> & 松动，电话13907451234",
        attributes={"condition": "2"},
        phone="13907451234",
        first_name="王",
    )
    return prepared.response


heard = {"accepted": report(job["api_key"])}
number = heard["accepted"][0]["service_request_id"]
try:
    report("0000000000000000")
except HttpError as error:
    heard["refused"] = {"status": error.status, "body": json.loads(error.body)}
heard["by_writer"] = writer.get_request(number)
for form in ("json", "xml"):
    reader = GeoReport(job["root"], jurisdiction="431221", output_format=form)
    heard[form] = {
        "services": reader.get_service_list(),
        "definition": reader.get_service_definition(job["code"]),
        "requests": reader.get_service_requests(status="open"),
        "request": reader.get_service_request(number),
    }
print(json.dumps(heard))
