"""What a browser says to a Streamlit server, said by hand: any header, any address."""

import http.client
import http.cookiejar
import re
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Session:
    """A session that has drawn a page: its id, the token against forged requests, and all that the page said."""

    socket: Any
    xsrf: str
    session_id: str = ""
    messages: list[ForwardMsg] = field(default_factory=list)

    def draw(self, page: str, pressed: str = "", unfolded: str = "") -> None:
        """Run a page, as a browser does that has opened it, in which the button of the key `pressed` was clicked, or in
        which what is folded under the label `unfolded` was opened."""
        asked = BackMsg()
        asked.rerun_script.page_name = page
        if pressed:
            asked.rerun_script.widget_states.widgets.add(id=self._id_of(pressed), trigger_value=True)
        if unfolded:
            asked.rerun_script.widget_states.widgets.add(id=self._fold_of(unfolded), bool_value=True)
        self.messages.clear()
        self.socket.send(asked.SerializeToString())
        while not self.messages or not self._is_last(self.messages[-1]):
            message = ForwardMsg()
            message.ParseFromString(self.socket.recv(timeout=3000))
            self.session_id = message.new_session.initialize.session_id or self.session_id
            self.messages.append(message)

    @staticmethod
    def _is_last(message: ForwardMsg) -> bool:
        again = ForwardMsg.FINISHED_EARLY_FOR_RERUN
        return message.WhichOneof("type") == "script_finished" and message.script_finished != again

    def text(self) -> str:
        """Everything that was said, to search in."""
        return "\n".join(str(message) for message in self.messages)

    def is_disabled(self, key: str) -> bool:
        """Whether the button of this key is shown so."""
        return self._button(key).disabled

    def redirect(self) -> str:
        """Where the page sent its browser."""
        return next(message.auth_redirect.url for message in self.messages if message.HasField("auth_redirect"))

    def _id_of(self, key: str) -> str:
        return str(self._button(key).id)

    def _button(self, key: str) -> Any:
        buttons = [m.delta.new_element.button for m in self.messages if m.delta.new_element.HasField("button")]
        return next(button for button in buttons if button.id.endswith(f"-{key}"))

    def _fold_of(self, label: str) -> str:
        folds = [m.delta.add_block.expandable for m in self.messages if m.delta.add_block.HasField("expandable")]
        return next(str(fold.id) for fold in folds if fold.label == label)

    def media(self) -> str:
        """The path of a file that the page offers."""
        found = re.search(r"/media/[\w.]+", self.text())
        assert found, "the page offers no file"
        return found[0]


def ask(
    address: str, path: str, method: str = "GET", headers: Mapping[str, str] | None = None, body: bytes | None = None
) -> Answer:
    """One request. A header `Host` replaces the right one."""
    url = urlsplit(address)
    connection = http.client.HTTPConnection(str(url.hostname), url.port or 80, timeout=300)
    try:
        connection.putrequest(method, path, skip_host=True)
        sent = {"Host": url.netloc, "Content-Length": str(len(body or b"")), **(headers or {})}
        for name, value in sent.items():
            connection.putheader(name, value)
        connection.endheaders(body)
        response = connection.getresponse()
        return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
    finally:
        connection.close()


def handshake(address: str, headers: Mapping[str, str]) -> int:
    """The status that a WebSocket handshake is answered with: 101 where it is let in."""
    wish = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    key = {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
    return ask(address, "/_stcore/stream", headers={**wish, **key, **headers}).status


@contextmanager
def session(address: str, cookies: str = "") -> Iterator[Session]:
    """A browser's session, opened as Streamlit's own pages open it."""
    cookie = ask(address, "/_stcore/health").headers["set-cookie"].split(";")[0]
    token = cookie.partition("=")[2]
    headers = {"Origin": address, "Cookie": f"{cookie}; {cookies}" if cookies else cookie}
    with connect(
        f"ws://{urlsplit(address).netloc}/_stcore/stream",
        additional_headers=headers, subprotocols=["streamlit", token], proxy=None, max_size=None,
    ) as socket:  # fmt: skip
        yield Session(socket, token)


def upload_parts(content: bytes) -> tuple[dict[str, str], bytes]:
    """Headers and body of a form with one file."""
    body = (
        b'--edge\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'
        + content
        + b"\r\n--edge--\r\n"
    )
    return {"Content-Type": "multipart/form-data; boundary=edge"}, body


def log_in(address: str, user: str) -> str:
    """Go through the log-in as a user of the provider's; gives the cookies that a browser would keep."""
    with session(address) as visitor:
        visitor.draw("")
        visitor.draw("", pressed="entrance_log_in")
        way = visitor.redirect()
    jar = http.cookiejar.CookieJar()
    browser = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(jar))
    with browser.open(address + way, timeout=300) as form:
        at_provider = form.url
    with browser.open(at_provider, urlencode({"sub": user}).encode(), timeout=300) as back:
        assert back.url.startswith(address)
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in jar)
