"""The `june` group: finds plugins, prints results, ends with an exit code."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from itertools import takewhile
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import _click as click
from typer.core import TyperCommand, TyperGroup, TyperOption

from june_cli import words
from june_cli.errors import JuneError, MachineLacks, UsageProblem
from june_cli.invocation import Invocation
from june_cli.output import Output
from june_cli.plugins import OWN_DISTRIBUTION, Plugin

if TYPE_CHECKING:
    from june_cli.engine import Engine

PROGRAM = "june"
HELP = "Your own voice-and-code assistant, on your own machine."
PANEL = "Everywhere"
AGAIN_S = 0.05  # until a signal that came at a moment at which nothing can be raised is sent again


class Interrupted(KeyboardInterrupt):
    """A signal asked this run to end. As a KeyboardInterrupt it passes through asyncio and plugins alike."""

    def __init__(self, signum: int) -> None:
        super().__init__(f"signal {signum}")
        self.exit_code = 128 + signum


class PluginGroup(TyperGroup):
    """Lists plugins by name and summary; imports one only when its word is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every word, in order."""
        return list(_invocation(ctx).known)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """A bare command with name and summary: enough for help and completion, nothing imported."""
        plugin = _invocation(ctx).known.get(cmd_name)
        return TyperCommand(cmd_name, help=plugin.summary) if plugin else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The real command behind a word; a broken plugin turns into its own explained error."""
        invocation = _invocation(ctx)
        plugin = invocation.known.get(args[0])
        if plugin is None:
            self.commands = dict.fromkeys(invocation.known, TyperCommand(None))  # for typer's "did you mean"
            return super().resolve_command(ctx, args)
        try:
            return plugin.name, _command(plugin, invocation.out.terminal), args[1:]
        except JuneError:
            if ctx.resilient_parsing:  # completion stays silent
                return None, None, []
            raise


def _command(plugin: Plugin, terminal: bool) -> click.Command:
    app = plugin.part("commands", "app")
    if not isinstance(app, typer.Typer):
        raise JuneError("plugin-broken", f"plugin {plugin.name!r} has no `app` Typer in commands.py.")
    if not app.registered_callback and not _is_its_word(app, plugin.name):
        app.callback()(lambda: None)  # without a callback Typer would fold a lone command into its parent
    app.pretty_exceptions_enable = False
    app._add_completion = False
    command = typer.main.get_command(app)
    command.name = plugin.name
    command.help = command.help or plugin.summary
    _dress(command, "rich" if terminal else None)
    return command


def _is_its_word(app: typer.Typer, word: str) -> bool:
    """A plugin whose only command bears its own word is that command: `june talk`, not `june talk talk`."""
    if len(app.registered_commands) != 1 or app.registered_groups:
        return False
    info = app.registered_commands[0]
    return (info.name or getattr(info.callback, "__name__", "").replace("_", "-")) == word


def _dress(command: click.Command, markup: Any) -> None:
    """Give every command of the tree the global options and the help style of this run."""
    command.context_settings["help_option_names"] = ["-h", "--help"]
    command.rich_markup_mode = markup  # type: ignore[attr-defined]
    taken = {name for param in command.params for name in param.opts}
    command.params += [option for option in _global_options() if option.opts[0] not in taken]
    if isinstance(command, TyperGroup):
        for child in command.commands.values():
            _dress(child, markup)


def _global_options() -> list[TyperOption]:
    """Shown by help and completion; `words.take` has read them before a command parses its own."""
    flags = [(name, text, True) for name, text in words.FLAGS.items()]
    values = [(name, text, False) for name, text in words.VALUES.items()]
    return [
        TyperOption(
            param_decls=[name], is_flag=is_flag or None, help=text, expose_value=False, rich_help_panel=PANEL
        )
        for name, text, is_flag in flags + values
    ]


def _tell_version(ctx: typer.Context, asked: bool) -> None:
    if asked:
        from importlib.metadata import version as installed

        out, number = _invocation(ctx).out, installed(OWN_DISTRIBUTION)
        out.show({"version": number} if out.json else number)
        raise typer.Exit


def _own_options(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print June's version.", callback=_tell_version, is_eager=True),
    ] = False,
) -> None:
    del version


def _root(invocation: Invocation) -> click.Command:
    app = typer.Typer(
        cls=PluginGroup,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    app.callback(no_args_is_help=True, help=HELP)(_own_options)
    command = typer.main.get_command(app)
    _dress(command, "rich" if invocation.out.terminal else None)
    return command


def _invocation(ctx: click.Context) -> Invocation:
    return ctx.find_root().obj  # type: ignore[no-any-return]


def run(
    args: Sequence[str],
    environ: Mapping[str, str],
    out: Output | None = None,
    engine: Engine | None = None,
) -> int:
    """Run one command line and return its exit code. It installs signal handlers for its duration.

    `engine` replaces the one that flags and profile would choose: the one seam tests use.
    """
    out = out or Output()
    before = [word.partition("=")[0] for word in takewhile(lambda word: word != "--", args)]
    out.json = "--json" in before  # also for what `take` refuses
    restore = _handle_signals()
    try:
        given, rest = words.take(args)
        out.events = given.events
        return _run(Invocation(given, environ, out, given_engine=engine), rest)
    except JuneError as error:
        if error.code == "stdout-not-writable":
            _silence_stdout()
        out.error(error)
        return error.exit_code
    except KeyboardInterrupt as error:
        if out.json:
            out.error(JuneError("interrupted", "the command was interrupted."))
        return getattr(error, "exit_code", 130)
    except BrokenPipeError:
        _silence_stdout()
        return 0
    except Exception as error:  # noqa: BLE001 - a bug keeps its traceback, and JSON stays JSON
        if out.json:
            out.error(JuneError("bug", f"{type(error).__name__}: {error}", hint="the traceback is on stderr"))
        import traceback

        out.stderr.write(traceback.format_exc())
        return 1
    finally:
        restore()


def _run(invocation: Invocation, rest: list[str]) -> int:
    command = _root(invocation)
    complete = f"_{PROGRAM.upper()}_COMPLETE"
    if complete in invocation.environ:
        command._main_shell_completion({"obj": invocation}, PROGRAM, complete)
    aside = io.StringIO()  # with --json, whatever else is printed must not reach stdout
    try:
        with contextlib.redirect_stdout(aside) if invocation.out.json else contextlib.nullcontext():
            with command.make_context(PROGRAM, rest, obj=invocation) as ctx:
                result = command.invoke(ctx)
    except click.exceptions.NoArgsIsHelpError as shown:
        return _no_words(invocation, shown)
    except click.exceptions.ClickException as error:
        raise UsageProblem("usage", error.format_message(), hint=_usage_hint(error)) from error
    except typer.Exit as ended:
        if aside.getvalue():
            invocation.out.show({"help": aside.getvalue()})
        return ended.exit_code
    except (typer.Abort, EOFError):
        return 130
    except ModuleNotFoundError as error:
        raise missing_package(error) from error
    invocation.out.stderr.write(aside.getvalue())
    invocation.out.show(result)
    return int(getattr(result, "exit_code", 0))


def _no_words(invocation: Invocation, shown: click.exceptions.ClickException) -> int:
    if invocation.out.json:
        raise UsageProblem("usage", "no command given.", hint=_usage_hint(shown))
    shown.show()
    return 2


def _usage_hint(error: click.exceptions.ClickException) -> str:
    ctx = getattr(error, "ctx", None)
    return f"{ctx.command_path} --help" if ctx else "june --help"


def missing_package(error: ModuleNotFoundError) -> JuneError:
    """An optional package is not installed: say which install brings it."""
    name = (error.name or "").partition(".")[0]
    if name.startswith("june"):
        raise error
    return MachineLacks(
        "package-missing",
        f"this command needs the Python package {name!r}, which is not installed.",
        hint="install June with what runs on this machine: pip install 'june-cli[local]'",
    )


def _handle_signals() -> Callable[[], None]:
    """SIGINT, SIGTERM and SIGHUP unwind the run once; repeats are ignored while it cleans up.

    A signal may come while Python runs a destructor or the callback of a weak reference, out of which nothing
    can be raised (the import system has such callbacks): then it is sent once more, a moment later.
    """
    ending = False

    def end(signum: int, frame: FrameType | None) -> None:
        nonlocal ending
        del frame
        if not ending:
            ending = True
            raise Interrupted(signum)

    def lost(unraisable: sys.UnraisableHookArgs) -> None:
        nonlocal ending
        if not isinstance(unraisable.exc_value, Interrupted):
            tell(unraisable)
            return
        ending = False
        signum = unraisable.exc_value.exit_code - 128
        threading.Timer(AGAIN_S, os.kill, (os.getpid(), signum)).start()

    tell, sys.unraisablehook = sys.unraisablehook, lost
    before: dict[int, Any] = {}
    with contextlib.suppress(ValueError):  # not in the main thread: the caller keeps its own handlers
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(signum) != signal.SIG_IGN or signum == signal.SIGTERM:
                before[signum] = signal.signal(signum, end)

    def restore() -> None:
        sys.unraisablehook = tell
        for signum, handler in before.items():
            signal.signal(signum, handler)

    return restore


def _silence_stdout() -> None:
    """Python flushes stdout once more at exit, which would complain about the closed pipe."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
