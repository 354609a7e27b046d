"""The gate lets reads through and nothing else, whatever library asks."""

import io

import pytest
import requests
from requests.adapters import BaseAdapter

from providers.estate.guard import RULES, Guard, Refused, guarded_session

READING = [
    ("s3", "GET", "https://s3.example.org/bucket?versioning"),
    ("azure_blob", "HEAD", "https://a.blob.core.windows.net/c"),
    ("openstack", "POST", "https://cloud.example.org:5000/v3/auth/tokens"),
    ("openstack", "POST", "https://cloud.example.org/identity/v3/auth/tokens"),
    ("swift", "GET", "https://swift.example.org/v1/AUTH_x?format=json"),
    ("azure", "POST", "https://login.microsoftonline.com/0000-11/oauth2/token"),
    ("outscale", "POST", "https://api.eu-west-2.outscale.com/api/latest/ReadVms"),
    ("ec2", "GET", "https://ec2.example.org/?Action=DescribeInstances&Version=2016-11-15"),
    ("ovh", "GET", "https://api.ovh.com/1.0/cloud/project/p/instance"),
    ("dns", "GET", "https://route53.amazonaws.com/2012-02-29/hostedzone"),
]
CHANGING = [
    ("s3", "PUT", "https://s3.example.org/bucket"),
    ("s3", "POST", "https://s3.example.org/bucket?delete"),
    ("s3", "DELETE", "https://s3.example.org/bucket"),
    ("azure_blob", "PUT", "https://a.blob.core.windows.net/c?restype=container"),
    ("openstack", "POST", "https://cloud.example.org/compute/v2.1/servers"),
    ("openstack", "POST", "https://cloud.example.org/v3/auth/tokens/x"),
    ("openstack", "POST", "https://cloud.example.org/v3/users?x=/v3/auth/tokens"),
    ("openstack", "DELETE", "https://cloud.example.org/v3/auth/tokens"),
    ("openstack", "PATCH", "https://cloud.example.org/v2/images/i"),
    ("swift", "POST", "https://swift.example.org/v1/AUTH_x/container"),
    ("azure", "POST", "https://management.azure.com/subscriptions/s/x/start"),
    ("azure", "PUT", "https://management.azure.com/subscriptions/s/x"),
    ("outscale", "POST", "https://api.eu-west-2.outscale.com/api/latest/DeleteVms"),
    ("outscale", "POST", "https://api.eu-west-2.outscale.com/api/latest/ReadVms/../DeleteVms"),
    ("ec2", "GET", "https://ec2.example.org/?Action=TerminateInstances&X=Action=DescribeInstances"),
    ("ec2", "GET", "https://ec2.example.org/?Action=RunInstances"),
    ("ec2", "GET", "https://ec2.example.org/?Action=DescribeInstances&Action=TerminateInstances"),
    ("ec2", "POST", "https://ec2.example.org/"),
    ("ovh", "POST", "https://api.ovh.com/1.0/auth/credential"),
    ("dns", "POST", "https://route53.amazonaws.com/2012-02-29/hostedzone"),
    ("s3", "TRACE", "https://s3.example.org/"),
]


@pytest.mark.parametrize(("api", "method", "url"), READING)
def test_reads_pass(api: str, method: str, url: str) -> None:
    """A request that reads, or logs in, passes and is recorded without its query."""
    seen: list[tuple[str, str]] = []
    Guard(api, record=lambda *one: seen.append(one)).check(method, url)
    assert seen == [(method, url.partition("?")[0])]


@pytest.mark.parametrize(("api", "method", "url"), CHANGING)
def test_changes_are_stopped(api: str, method: str, url: str) -> None:
    """A request that could change something is refused before anything is sent."""
    with pytest.raises(Refused):
        Guard(api).check(method, url)


@pytest.mark.parametrize("api", sorted(RULES))
def test_nothing_travels_in_clear_to_another_machine(api: str) -> None:
    """Plain http passes to this machine only, unless the site says otherwise."""
    query = "?Action=DescribeVpcs"
    Guard(api).check("GET", f"http://127.0.0.1:9/{query}")
    with pytest.raises(Refused):
        Guard(api).check("GET", f"http://cloud.example.org/{query}")
    Guard(api, insecure_http=True).check("GET", f"http://cloud.example.org/{query}")


class Answering(BaseAdapter):
    """Answers without a network."""

    def __init__(self, status: int = 200, body: bytes = b"", location: str = "") -> None:
        super().__init__()
        self.status, self.body, self.location = status, body, location
        self.sent = 0

    def send(self, request: requests.PreparedRequest, **_: object) -> requests.Response:  # type: ignore[override]
        self.sent += 1
        response = requests.Response()
        response.status_code = self.status
        response.raw = io.BytesIO(self.body)
        response.url = request.url or ""
        response.request = request
        if self.location:
            response.headers["location"] = self.location
        return response

    def close(self) -> None:
        pass


def session(below: Answering) -> requests.Session:
    return guarded_session(Guard("s3", below=lambda: below))


def test_a_session_hands_answers_over() -> None:
    """What was read within bounds is the answer's content."""
    assert session(Answering(body=b"hello")).get("https://x.example.org/").content == b"hello"


def test_a_session_stops_changes_before_they_leave() -> None:
    """The transport below never sees a refused request."""
    below = Answering()
    with pytest.raises(Refused):
        session(below).put("https://x.example.org/", data=b"x")
    assert below.sent == 0


def test_certificates_must_be_verified() -> None:
    """A request without verification of the certificate is refused."""
    below = Answering()
    with pytest.raises(Refused):
        session(below).get("https://x.example.org/", verify=False)
    assert below.sent == 0


def test_redirects_to_other_hosts_are_refused() -> None:
    """Credentials do not follow a redirect to another host."""
    with pytest.raises(Refused):
        session(Answering(302, location="https://evil.example.com/")).get("https://x.example.org/")


def test_huge_answers_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer past the bound is not kept."""
    monkeypatch.setattr("providers.estate.guard._MOST_BYTES", 1000)
    with pytest.raises(Refused):
        session(Answering(body=b"x" * 1001)).get("https://x.example.org/")
