import sys

# Else each network that OpenVINO converts is reported to Google Analytics, by thirty forks of the process.
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
