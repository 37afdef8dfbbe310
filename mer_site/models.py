"""What the staff decided for the whole site, and the links by which people join."""

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy


class Installation(models.Model):
    """What the staff decided: one row, made when something is first decided."""

    class Signup(models.TextChoices):
        OPEN = "open", gettext_lazy("Anyone who reaches this server")
        INVITED = "invited", gettext_lazy("Only people with an invitation")

    signup = models.CharField(max_length=7, choices=Signup.choices, default=Signup.OPEN, help_text="Who may sign up.")
    has_demo = models.BooleanField(
        default=True, db_default=True, help_text="Whether an empty catalog gets the demo songs at a start."
    )
    is_setting_up = models.BooleanField(
        default=False, db_default=False, help_text="The first steps were offered, and neither finished nor skipped."
    )

    def __str__(self) -> str:
        return f"sign-up: {self.signup}"


class Invitation(models.Model):
    """A link by which people make an account where sign-up is for the invited only."""

    note = models.CharField(max_length=100, blank=True, help_text="For whom it is, for the staff to read.")
    n_most = models.PositiveSmallIntegerField(default=1, help_text="Accounts that can be made with it.")
    n_used = models.PositiveSmallIntegerField(default=0)
    made_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=models.Q(n_used__lte=models.F("n_most")), name="invitation_not_overused")
        ]

    def __str__(self) -> str:
        return self.note or f"Invitation {self.pk}"

    @property
    def is_usable(self) -> bool:
        """Whether somebody can still join by it."""
        return self.revoked_at is None and self.expires_at > timezone.now() and self.n_used < self.n_most

    @property
    def n_left(self) -> int:
        """Accounts that can still be made with it, unless it is revoked or has expired."""
        return self.n_most - self.n_used
