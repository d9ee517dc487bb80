"""What a supervisor checks of how its processes tell of themselves, before they start."""

from muster.bootstrap.folder import StartRefused
from muster.settings import Settings
from muster.telemetry.traces import TracesMissing, check_traces


def refuse_without_traces(settings: Settings) -> None:
    """Refuses a start that asks for traces where OpenTelemetry is not installed. Raises: StartRefused."""
    try:
        check_traces(wanted=settings.traces)
    except TracesMissing as missing:
        raise StartRefused(str(missing)) from None
