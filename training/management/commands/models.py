"""`manage.py models [list | import PATH | check VERSION | register]`: the registry of models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from emotion.models import ModelVersion
from training import selectors
from training.exceptions import TrainingError
from training.registry import promotion, services


class Command(BaseCommand):
    help = "List the models, import one from a run folder or a weights file, or hold one against the gate."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", metavar="ACTION")
        actions.add_parser("list", help="The models and their states (the default).")
        taking = actions.add_parser("import", help="Take a model into the registry, and hold it against the gate.")
        taking.add_argument("path", type=Path, help="The folder of a run, or a .safetensors file with its card beside.")
        check = actions.add_parser("check", help="Hold a model against the gate.")
        check.add_argument("version")
        actions.add_parser("register", help="Register the model that came with the program; `up` does this.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            match options["action"]:
                case "import":
                    self._import(options["path"])
                case "check":
                    self._verdicts(promotion.gate_check(version=options["version"]))
                case "register":
                    self._register()
                case _:
                    self._list()
        except TrainingError as error:
            raise CommandError(str(error)) from error

    def _list(self) -> None:
        models = list(selectors.models_all())
        if not models:
            self.stdout.write("No model was registered yet: manage.py models register, or models import PATH.")
        for model in models:
            problem = services.model_files_problem(model)
            self.stdout.write(f"{model.state:9} {model.version:32} {model.get_origin_display()} {problem}".rstrip())

    def _import(self, path: Path) -> None:
        if not path.exists():
            raise CommandError(f"There is nothing at {path}; name the folder of a run, or a .safetensors file.")
        services.shipped_register()
        take = services.model_import_run(folder=path) if path.is_dir() else services.model_import_weights(weights=path)
        self.stdout.write(f"Model {take.model.version} is {'imported' if take.is_new else 'here already'}.")
        if take.model.state != ModelVersion.State.LIVE:
            self._verdicts(promotion.gate_check(version=take.model.version))

    def _register(self) -> None:
        shipped = services.shipped_register()
        if shipped is None:
            self.stdout.write("No model came with the program, or MOODPLANE_WEIGHTS names another.")
        elif shipped.model.state == ModelVersion.State.LIVE:
            self.stdout.write(f"Model {shipped.model.version} came with the program and is live.")
        elif shipped.is_new:
            self.stdout.write(
                f"Model {shipped.model.version} came with the program. Another one, which somebody promoted, stays "
                f"live; manage.py promote {shipped.model.version} would change that."
            )
        else:
            self.stdout.write(f"Model {shipped.model.version} came with the program; another one is live.")

    def _verdicts(self, model: ModelVersion) -> None:
        for verdict in model.gate["verdicts"]:
            self.stdout.write(f"  {'passed' if verdict['passed'] else 'FAILED'}  {verdict['sentence']}")
        passed = model.gate["passed"]
        self.stdout.write(f"Model {model.version} {'passes' if passed else 'does not pass'} the gate.")
