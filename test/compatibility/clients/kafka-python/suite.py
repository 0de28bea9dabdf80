"""
kafka-python's own integration tests, from its source distribution, pointed at a broker of ours:
`suite.py BROKER SOURCE [PART OF A NAME]…`. They run as for a broker of 4.2, and again as for one of 2.1, which
makes the client speak the protocol of those days.
"""

import os
import re
import subprocess
import sys
import tempfile
import types

VERSIONS = ["4.2.0", "2.1.0"]
TEST_S_MAX = 60
REASON_LENGTH_MAX = 200
# Whom these test is Kafka as a process that they start themselves.
FILES = ["test_admin_integration.py", "test_consumer_integration.py", "test_producer_integration.py"]


# The tests print to it, too.
STANDARD_OUTPUT = sys.stdout


def line(*parts):
    text = "\t".join(" ".join(str(part).split())[:REASON_LENGTH_MAX] for part in parts)
    print(text, file=STANDARD_OUTPUT, flush=True)


class External:
    """Kafka as a process: here it is already there."""

    def __init__(self, host, port):
        self.host, self.port = host, port

    def open(self):
        pass

    def stop(self):
        pass

    def dump_logs(self):
        pass


def package_of_tests(source):
    """The distribution carries neither the `__init__.py` of its tests, nor what would start Kafka."""
    package = types.ModuleType("test")
    package.__path__ = [os.path.join(source, "test")]
    service = types.ModuleType("test.service")
    service.ExternalService = service.SpawnedService = External
    sys.modules.update({"test": package, "test.service": service})


class Reporter:
    def __init__(self, version, only):
        self.version = version
        self.only = only

    def name(self, nodeid):
        return f"{nodeid.rsplit('::', 1)[1]}, as for a broker of {self.version}"

    def pytest_collection_modifyitems(self, items):
        if self.only:
            items[:] = [item for item in items if any(part in self.name(item.nodeid) for part in self.only)]

    def pytest_runtest_logreport(self, report):
        if report.skipped:
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
            line("skip", self.name(report.nodeid), reason.removeprefix("Skipped: "))
        elif report.failed and report.when != "teardown":
            line("fail", self.name(report.nodeid), reason_of(report))
        elif report.when == "call" and report.passed:
            line("pass", self.name(report.nodeid))


def reason_of(report):
    crash = getattr(report.longrepr, "reprcrash", None)
    text = crash.message if crash else str(report.longrepr)
    return re.sub(r"\x1b\[[0-9;]*m", "", text).split("\n")[0]


def run(broker, source, version, only):
    host, port = broker.rsplit(":", 1)
    scratch = tempfile.mkdtemp()
    os.environ.update(KAFKA_URI=f"kafka://{host}:{port}", KAFKA_VERSION=version, KAFKA_ROOT=scratch)
    sys.path.insert(0, source)
    package_of_tests(source)
    import pytest

    flags = ["-p", "no:cacheprovider", "-q", "--tb=short", f"--timeout={TEST_S_MAX}", "--rootdir", source]
    files = [os.path.join(source, "test", "integration", file) for file in FILES]
    sys.stdout = sys.stderr
    pytest.main([*flags, *files], plugins=[Reporter(version, only)])
    os.rmdir(scratch)


if __name__ == "__main__":
    broker, source, *only = sys.argv[1:]
    if "MILLRACE_KAFKA_VERSION" in os.environ:
        run(broker, source, os.environ["MILLRACE_KAFKA_VERSION"], only)
    else:
        import kafka

        line("version", kafka.__version__)
        # Created by its first use, it has as many partitions as the tests' own brokers give to a topic.
        with kafka.KafkaAdminClient(bootstrap_servers=broker) as admin:
            admin.create_topics({"transactional_test_topic": {"num_partitions": 4, "replication_factor": 1}})
        for version in VERSIONS:
            subprocess.run([sys.executable, *sys.argv], env={**os.environ, "MILLRACE_KAFKA_VERSION": version}, check=False)
