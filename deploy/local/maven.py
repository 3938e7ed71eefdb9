"""The jars of Apache Kafka: exactly those of kafka.lock, fetched with jgo, kept in the user's cache.

kafka.lock names every jar with its SHA-256, so nothing is resolved at start and a jar damaged on the way is
fetched again. `python -m deploy.local.maven` (part of `make lock`) resolves KAFKA anew and rewrites it.

Maven Central is the default. A mirror is taken from where it is configured already: the [repositories] of
jgo's configuration file, else a <mirror> for central in Maven's settings.xml in the user's home.
"""

import hashlib
import shutil
import sys
import tempfile
import xml.etree.ElementTree as ET
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import platformdirs
import tenacity
from jgo.config import GlobalSettings
from jgo.constants import MAVEN_CENTRAL_URL
from jgo.maven import MavenContext
from jgo.parse import Endpoint

from deploy.local.errors import StackError

LOCK = Path(__file__).with_name("kafka.lock")
# The bridge from SLF4J to Log4j is in Kafka's download but in no dependency of its artifacts; without it
# there are no logs. The ! keeps jgo from reading its POM as a list of versions for all the others.
KAFKA = (
    "org.apache.kafka:kafka_2.13:4.3.1",
    "org.apache.kafka:kafka-tools:4.3.1",
    "org.apache.logging.log4j:log4j-slf4j-impl:2.25.4!",
)
DOWNLOADS = 8  # at a time
ATTEMPTS = 5
TIMEOUT = 30  # seconds without an answer


def mirror_in_maven_settings(settings: Path) -> str | None:
    """The URL of the mirror that stands for Maven Central in a settings.xml, None when there is none."""
    try:
        root = ET.parse(settings).getroot()  # noqa: S314 - the user's own configuration
    except (OSError, ET.ParseError):
        return None
    for mirror in root.iterfind("{*}mirrors/{*}mirror"):
        of = {part.strip() for part in mirror.findtext("{*}mirrorOf", "").split(",")}
        url = mirror.findtext("{*}url", "").strip().rstrip("/")
        if url and "!central" not in of and of & {"*", "central", "external:*", "external:http:*"}:
            return url
    return None


def _repositories() -> dict[str, str]:
    configured: dict[str, str] = GlobalSettings.load().repositories
    if configured:
        return {name: url.rstrip("/") for name, url in configured.items()}
    mirror = mirror_in_maven_settings(Path.home() / ".m2" / "settings.xml")
    return {"central": mirror or MAVEN_CENTRAL_URL}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_lock() -> dict[str, str]:
    """What the lock file holds: coordinates (group:artifact:version) to SHA-256 in hex."""
    lines = (
        line.split() for line in LOCK.read_text("utf-8").splitlines() if line and not line.startswith("#")
    )
    return {coordinates: digest for digest, coordinates in lines}


@tenacity.retry(
    # jgo raises RuntimeError for every answer but 200, an overloaded registry's too, and requests' errors are
    # OSErrors.
    retry=tenacity.retry_if_exception_type((RuntimeError, OSError)),
    stop=tenacity.stop_after_attempt(ATTEMPTS),
    wait=tenacity.wait_random_exponential(multiplier=0.5, max=10),
    reraise=True,
)
def _download(coordinates: str, digest: str, target: Path, repositories: dict[str, str]) -> None:
    group, name, version = coordinates.split(":")
    # jgo writes into its cache as it downloads, so a process that is killed leaves half a jar: use a scratch
    # cache and move the finished file, which also lets several checkouts fetch at once.
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".fetch-") as scratch:
        context = MavenContext(repo_cache=Path(scratch), remote_repos=repositories, timeout=TIMEOUT)
        artifact = context.project(group, name).at_version(version).artifact()
        known = GlobalSettings.load().repo_cache / artifact.component.path_prefix / artifact.filename
        found: Path | None
        if known.is_file() and _sha256(known) == digest:
            found = Path(shutil.copyfile(known, Path(scratch) / "jar"))
        else:
            found = context.resolver.download(artifact)
        if found is None or _sha256(found) != digest:
            raise RuntimeError("the file that came is not the one in kafka.lock (SHA-256 differs)")
        found.replace(target)


def kafka_jars() -> Path:
    """The folder with exactly the jars of kafka.lock; fetches what is missing, once for all checkouts.

    Blocks while it downloads (about 55 MB the first time) and says so on stderr. Raises StackError when a jar
    cannot be had.
    """
    lock = read_lock()
    # A folder a lock file, so that an older checkout keeps what it needs.
    name = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]
    folder = Path(platformdirs.user_cache_dir("client-groups")) / f"kafka-{name}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        jars = {coordinates: folder / file_name(coordinates) for coordinates in lock}
        missing = [each for each, path in jars.items() if not path.is_file() or _sha256(path) != lock[each]]
        if missing:
            sys.stderr.write(f"Fetching Apache Kafka, once ({len(missing)} jars)...\n")
            repositories = _repositories()
            with ThreadPoolExecutor(DOWNLOADS) as pool:
                tasks = {
                    pool.submit(_download, each, lock[each], jars[each], repositories): each
                    for each in missing
                }
                for task in as_completed(tasks):
                    if (error := task.exception()) is not None:
                        pool.shutdown(
                            wait=False, cancel_futures=True
                        )  # the others would fail too, one by one
                        raise StackError(
                            f"Apache Kafka could not be fetched: {tasks[task]}: {_one_line(error)}"
                        ) from error
    except OSError as error:
        raise StackError(f"Apache Kafka cannot be kept in {folder}: {_one_line(error)}") from error
    return folder


def file_name(coordinates: str) -> str:
    """The jar's name in the folder of kafka_jars()."""
    _, name, version = coordinates.split(":")
    return f"{name}-{version}.jar"


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]


def main() -> None:
    """Resolve KAFKA anew and write kafka.lock. Blocks for the downloads, tens of seconds."""
    context = MavenContext(remote_repos=_repositories(), timeout=TIMEOUT)
    parsed = Endpoint.parse("+".join(KAFKA))
    inputs, transitive = context.resolver.resolve(
        [context.create_dependency(each) for each in parsed.coordinates]
    )
    artifacts = [each.artifact for each in inputs]
    artifacts += [each.artifact for each in transitive if each.scope in ("compile", "runtime")]
    lines = {
        f"{_sha256(each.resolve())}  {each.groupId}:{each.artifactId}:{each.version}" for each in artifacts
    }
    head = f"# Made by `make lock` from {' '.join(KAFKA)}: SHA-256 and coordinates of every jar.\n"
    LOCK.write_text(
        head + "".join(f"{line}\n" for line in sorted(lines, key=lambda line: line.split()[1])), "utf-8"
    )


if __name__ == "__main__":
    main()
