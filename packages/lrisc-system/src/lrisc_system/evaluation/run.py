"""The comparison: every link sends every image at every point, over several draws of the channel.

Each process takes every n-th image and writes every row at once, so that a run may be stopped at
any time, and goes on with any number of processes.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import timedelta

from accelerate import Accelerator
from accelerate.utils import InitProcessGroupKwargs, gather_object
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from lrisc_system.data.images import ImageError
from lrisc_system.devices import find_device
from lrisc_system.evaluation.earlier_results import read_earlier_results
from lrisc_system.evaluation.images import EvaluationImages
from lrisc_system.evaluation.links.link import ComparedLink
from lrisc_system.evaluation.links.registry import OpenModel, make_links
from lrisc_system.evaluation.measure import EvaluationImage, MetricNetworks
from lrisc_system.evaluation.protocol import Protocol, describe_common
from lrisc_system.evaluation.report.pictures import choose_pictures, take_pictures
from lrisc_system.evaluation.report.report import write_report
from lrisc_system.evaluation.rows import Refusal, Row, RowFile, Task, read_rows
from lrisc_system.evaluation.set_samples import SampleFolder
from lrisc_system.evaluation.settings import EvaluateSettings, Point
from lrisc_system.evaluation.transmission import perform
from lrisc_system.limits import check_bad_share
from lrisc_system.training.folder_lock import locked
from lrisc_system.training.interruption import Stopped
from lrisc_system.training.monitor import PLAIN_SECONDS

PATIENCE = timedelta(days=7)  # the fastest process waits so long for the slowest
WHOLE_RUN_SECONDS = 1e9  # links differ in speed: estimate the time left from all that was done


def evaluate(
    settings: EvaluateSettings, *, console: Console, open_model: OpenModel | None = None
) -> list[Row]:
    """Measure what is missing, then write tables and figures of all that the folder holds.

    Args:
        settings: of the evaluation.
        console: for the progress and the tables; only the first of several processes speaks.
        open_model: (what `settings.model` names, folder) -> LRISC; by default LRISC of the parts
            that the folder's config names. `lrisc_system.commands.models.open_model` knows models
            of your own.

    Returns:
        The rows of `results.csv`.

    Raises:
        ValueError: no image, too many that cannot be read, a missing mask or checkpoint, an unknown
            link or one that is not possible here, a folder that was started with other settings or
            is in use, or earlier results that do not match.
        Stopped: if a signal came; the rows so far are kept.
    """
    accelerator = Accelerator(kwargs_handlers=[InitProcessGroupKwargs(timeout=PATIENCE)])
    if not accelerator.is_main_process:
        console = Console(quiet=True)
    everything = EvaluationImages.open(
        settings.data,
        settings.masks,
        crop=settings.crop,
        out=settings.out,
        max_pixels=settings.max_pixels,
    )
    unreadable = find_unreadable(everything, settings, accelerator)
    try:
        with locked(settings.out, needed=accelerator.is_main_process):
            _evaluate(
                settings,
                everything,
                unreadable,
                accelerator,
                console=console,
                open_model=open_model,
            )
    except Stopped as stop:
        advice = f"all rows so far are in {settings.out}; the same command goes on from there"
        raise Stopped(stop.number, advice) from stop
    accelerator.end_training()
    return read_rows(settings.out)[0]


def _evaluate(
    settings: EvaluateSettings,
    everything: EvaluationImages,
    unreadable: Mapping[int, str],
    accelerator: Accelerator,
    *,
    console: Console,
    open_model: OpenModel | None,
) -> None:
    """Measure and write, on this process's share of the images."""
    device = accelerator.device if settings.device is None else find_device(settings.device)
    images = everything.without(unreadable)
    pictures = choose_pictures(images.names, settings.pictures)
    networks = MetricNetworks.load(settings.vgg, device=device)
    notes = [f"left out: {error}" for error in unreadable.values()]
    if networks.vgg is None:
        notes.append(
            "LPIPS on VGG16, DISTS, KID-VGG and FD-VGG are left out: --vgg names a file of VGG16's "
            "weights"
        )
    links = make_links(
        settings,
        device=device,
        say=notes.append,
        open_model=open_model,
        padded=images.padded(),
    )
    for note in notes:
        console.print(note)
    protocol = Protocol(
        describe_common(
            settings, everything.photos, everything.masks, vgg=networks.vgg is not None
        ),
        {name: link.identity for name, link in links.items()},
    ).merge(settings.out)
    others = read_earlier_results(settings, own=protocol.links, images=len(images.names))
    known = {entry.task for entries in read_rows(settings.out) for entry in entries}
    accelerator.wait_for_everyone()  # until all have read what the folder holds
    if accelerator.is_main_process:
        protocol.write(settings.out)

    own = range(accelerator.process_index, len(images.photos), accelerator.num_processes)
    lost: dict[str, str] = {}  # images that went while this ran
    tasks = {index: list_tasks(settings, links, images.names[index]) for index in own}
    with Worker(settings, links, known, rank=accelerator.process_index, console=console) as worker:
        worker.start(tasks)
        for index, todo in tasks.items():
            pictured = images.names[index] in pictures
            if pictured or not known.issuperset(todo):
                try:
                    source = images.load(index, networks=networks, device=device)
                except ImageError as error:
                    lost[images.names[index]] = str(error)
                    continue
                worker.work(source, todo, pictured=pictured)
    accelerator.wait_for_everyone()
    lost = {name: error for part in gather_object([lost]) for name, error in part.items()}
    if accelerator.is_main_process:
        write_report(
            settings,
            [name for name in images.names if name not in lost],
            [name for name in pictures if name not in lost],
            others=others,
            notes=[*notes, *(f"left out: {error}" for error in lost.values())],
            console=console,
        )


def find_unreadable(
    images: EvaluationImages, settings: EvaluateSettings, accelerator: Accelerator
) -> dict[int, str]:
    """Decode all images, shared among the processes, before any is sent.

    Returns:
        Errors of those that cannot be read, by index, the same on every process.

    Raises:
        ValueError: if too many cannot be read.
    """
    count = len(images.photos)
    own = range(accelerator.process_index, count, accelerator.num_processes)
    parts = gather_object([images.find_unreadable(own)])
    errors = {index: error for part in parts for index, error in sorted(part.items())}
    if errors:
        first = next(iter(errors.values()))
        check_bad_share(len(errors), count, settings.max_bad_share, first=first)
        if len(errors) == count:
            raise ValueError(f"none of the {count} images can be read, such as {first}")
    return errors


def list_tasks(
    settings: EvaluateSettings, links: Mapping[str, ComparedLink], image: str
) -> list[Task]:
    """List the transmissions of one image."""
    return [
        Task(link, image, point, seed)
        for link in links
        for point in settings.points()
        for seed in range(settings.seeds)
    ]


class Worker:
    """Perform the tasks of one process, write each result, and show the progress.

    Args:
        settings: of the evaluation.
        links: by name.
        known: tasks that were done in an earlier start.
        rank: of the process.
        console: to show the progress on.
    """

    def __init__(
        self,
        settings: EvaluateSettings,
        links: Mapping[str, ComparedLink],
        known: set[Task],
        *,
        rank: int,
        console: Console,
    ) -> None:
        self.settings, self.links, self.known = settings, links, known
        self.file = RowFile(settings.out, rank=rank)
        self.samples = SampleFolder(settings.out)
        self.reported: set[tuple[str, float]] = set()
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=12),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            speed_estimate_period=WHOLE_RUN_SECONDS,
        )
        self.bar = self.progress.add_task("")
        self.said = time.monotonic()

    def __enter__(self) -> Worker:
        self.progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.progress.stop()
        self.file.close()

    def start(self, tasks: Mapping[int, list[Task]]) -> None:
        """Count all tasks, and those that are done."""
        everything = [task for todo in tasks.values() for task in todo]
        done = sum(task in self.known for task in everything)
        self.progress.update(self.bar, total=len(everything), completed=done)

    def work(self, source: EvaluationImage, tasks: list[Task], *, pictured: bool) -> None:
        """Perform the missing tasks of one image, and save its pictures if `pictured`."""
        for task in tasks:
            if task not in self.known:
                self._describe(f"{task.image} {task.link}", task.point)
                entry = perform(task, self.links[task.link], source, samples=self.samples)
                self.file.append(entry)
                self.progress.advance(self.bar)
                self._say_now_and_then()
                if isinstance(entry, Refusal):
                    self._report_once(entry)
        if pictured:
            point = Point(self.settings.bandwidths_snr_db, self.settings.picture_cbr)
            self._describe(f"{source.name} pictures", point)
            take_pictures(source, self.links, point, self.settings.out)

    def _describe(self, what: str, point: Point) -> None:
        text = f"{what} {point.snr_db:g} dB CBR {point.cbr:.4f}"
        self.progress.update(self.bar, description=text)

    def _say_now_and_then(self) -> None:
        """Print a plain line where there is no terminal to draw a bar on."""
        console, (bar,) = self.progress.console, self.progress.tasks
        if not console.is_terminal and time.monotonic() - self.said >= PLAIN_SECONDS:
            self.said = time.monotonic()
            self.progress.print(f"{bar.completed:g} of {bar.total:g}: {bar.description}")

    def _report_once(self, refusal: Refusal) -> None:
        task = refusal.task
        if (task.link, task.point.cbr) not in self.reported:
            self.reported.add((task.link, task.point.cbr))
            self.progress.print(
                f"{task.link} is left out at CBR {task.point.cbr:.4f}: {refusal.reason}"
            )
