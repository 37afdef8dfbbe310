"""`manage.py models [list | import PATH | check VERSION | register]`: the registry of models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from emotion.models import ModelVersion
from training import selectors
from training.exceptions import TrainingError
from training.registry import services


class Command(BaseCommand):
    help = "List the models, import one from a run folder or a weights file, or check one at the gate."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", metavar="ACTION")
        actions.add_parser("list", help="The models and their states (the default).")
        taking = actions.add_parser("import", help="Import a model into the registry, and check it at the gate.")
        taking.add_argument(
            "path", type=Path, help="The folder of a run, or a .safetensors file with its card next to it."
        )
        check = actions.add_parser("check", help="Check a model at the gate.")
        check.add_argument("version")
        actions.add_parser("register", help="Register the bundled model; `up` does this.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            match options["action"]:
                case "import":
                    self._import(options["path"])
                case "check":
                    self._verdicts(services.gate_check(version=options["version"]))
                case "register":
                    self._register()
                case _:
                    self._list()
        except TrainingError as error:
            raise CommandError(str(error)) from error

    def _list(self) -> None:
        models = list(selectors.models_all())
        if not models:
            self.stdout.write("No models are registered yet: manage.py models register, or models import PATH.")
        for model in models:
            problem = services.model_files_problem(model)
            self.stdout.write(f"{model.state:9} {model.version:32} {model.get_origin_display()} {problem}".rstrip())

    def _import(self, path: Path) -> None:
        if not path.exists():
            raise CommandError(f"{path} does not exist; name the folder of a run, or a .safetensors file.")
        services.shipped_register()
        take = services.model_import_run(folder=path) if path.is_dir() else services.model_import_weights(weights=path)
        self.stdout.write(f"Model {take.model.version} is {'imported' if take.is_new else 'already here'}.")
        if take.model.state != ModelVersion.State.LIVE:
            self._verdicts(services.gate_check(version=take.model.version))

    def _register(self) -> None:
        shipped = services.shipped_register()
        if shipped is None:
            self.stdout.write("There is no bundled model, or MOODPLANE_WEIGHTS names another.")
        elif shipped.model.state == ModelVersion.State.LIVE:
            self.stdout.write(f"Model {shipped.model.version} is bundled and live.")
        elif shipped.is_new:
            self.stdout.write(
                f"Model {shipped.model.version} is bundled. Another model, which was promoted, stays "
                f"live; manage.py promote {shipped.model.version} would change that."
            )
        else:
            self.stdout.write(f"Model {shipped.model.version} is bundled; another model is live.")

    def _verdicts(self, model: ModelVersion) -> None:
        for verdict in model.gate["verdicts"]:
            self.stdout.write(f"  {'passed' if verdict['passed'] else 'FAILED'}  {verdict['sentence']}")
        passed = model.gate["passed"]
        self.stdout.write(f"Model {model.version} {'passes' if passed else 'does not pass'} the gate.")
