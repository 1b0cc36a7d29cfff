"""What can go wrong, as one tree; every error names its cure.

MultiarchError
├── UsageError              an option, a mark, a setting or a call is written wrongly
├── EngineError             the engine could not be reached, or refused
│   └── EngineGoneError     it was there and stopped answering
├── ImageError              the image cannot be what was asked for
│   ├── ImageNotFoundError      nobody has it
│   ├── ImageAccessError        a registry refuses it
│   ├── PlatformMissingError    the index has no such platform
│   ├── WrongArchitectureError  what it holds is for another architecture
│   └── BuildError              it could not be built
├── PlatformUnavailableError  the node cannot run the platform
├── ContainerError          a container did not do what it was started for
│   ├── ProgramNotFoundError    its program is not there
│   └── NotReadyError           it never became ready
├── DeadlineError           a wait ran out of time
├── OutputTooLargeError     more output than is kept was asked for
├── MeasurementError        what was measured failed, changed, or has no ratio
└── RecordError             a record cannot be read, or records do not belong together
"""

from __future__ import annotations


class MultiarchError(Exception):
    """An error that a user can act on.

    `str()` is the whole message: what happened, then the cure on a line of its own.
    `headline` is its first line, for places that have room for one. `is_of_image`: what is in an
    image, or is not, is the reason, whatever engine has it.
    """

    is_of_image = False

    def __init_subclass__(cls) -> None:
        # Where users import them from; pytest shows it before the message.
        cls.__module__ = __name__.partition(".")[0]

    def __init__(self, what: str, *, cure: str = "") -> None:
        super().__init__(what, cure)
        self.what = what
        self.cure = cure

    @property
    def headline(self) -> str:
        return self.what.partition("\n")[0]

    def __str__(self) -> str:
        return f"{self.what}\n{self.cure}" if self.cure else self.what

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only arguments are lost by the default, and errors cross process boundaries.
        return (_rebuild_error, (type(self), self.what, self.cure))


def _rebuild_error(kind: type[MultiarchError], what: str, cure: str) -> MultiarchError:
    return kind(what, cure=cure)


class UsageError(MultiarchError):
    """An option, a mark, a setting or a call is written wrongly."""


class EngineError(MultiarchError):
    """The engine could not be reached, or refused."""


class EngineGoneError(EngineError):
    """The engine stopped answering in the middle."""


class ImageError(MultiarchError):
    """The image cannot be what was asked for."""


class ImageNotFoundError(ImageError):
    """Neither the engine nor a registry has the image."""


class ImageAccessError(ImageError):
    """A registry refuses the image."""


class PlatformMissingError(ImageError):
    """The image has no variant for the platform."""


class WrongArchitectureError(ImageError):
    """An image's config or a program in it is for another architecture than its entry says."""


class BuildError(ImageError):
    """An image could not be built; for which platform, in which step, with that step's log."""


class PlatformUnavailableError(MultiarchError):
    """The node can run the platform neither natively nor emulated."""


class ContainerError(MultiarchError):
    """A container did not do what it was started for."""


class ProgramNotFoundError(ContainerError):
    """The program to run is not in the image, or cannot be executed."""


class NotReadyError(ContainerError):
    """A container ended, or ran out of time, before it was ready."""


class DeadlineError(MultiarchError):
    """A wait ran out of time."""


class OutputTooLargeError(MultiarchError):
    """More output was asked for than is kept in memory."""


class MeasurementError(MultiarchError):
    """Work failed while it was measured, or its samples are no times to compute with."""


class RecordError(MultiarchError):
    """A record cannot be read or written, or records do not belong together."""
