"""The finished segments of an encode, on disk: what a later attempt at the same clip resumes from."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from agent.cutting.formats.media import Identity
from agent.cutting.plan.spec import Keep
from agent.cutting.writing.disk import flush, keeping_in, size_of
from clipping.contract.checkpoint import FILE, Checkpoint, CheckpointFile, segment_name
from clipping.contract.effects import Framing


class KeptSegments:
    """The folder of `Keep`, for one attempt.

    A segment counts once `checkpoint.json` lists it, which is written behind it: a process that is killed,
    or a machine that loses power, leaves no half of one. Raises `NoSpace` when the folder can't be used.
    """

    def __init__(self, keep: Keep, identity: Identity, notify: Callable[[Checkpoint], None]) -> None:
        """`identity`: the recording's. `notify` gets each new checkpoint."""
        self._keep = keep
        self._identity = identity
        self._notify = notify
        self.framing: Framing | None = None
        """What `smart_crop` found, for later attempts: they must have the same."""
        with keeping_in(keep.folder):
            keep.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = self._read()
            if self._file is None:
                self._clear()
            else:
                self.framing = self._file.framing

    @property
    def outgrown(self) -> int | None:
        """The size of an earlier try that came out larger than requested."""
        return None if self._file is None else self._file.outgrown

    @property
    def encoder(self) -> str | None:
        """What the finished segments were encoded with; None when there are none."""
        return self._file.encoder if self._file is not None and self._file.segment else None

    @property
    def reported_errors(self) -> bool:
        """Whether ffmpeg reported errors while it made them."""
        return self._file is not None and self._file.reported_errors

    def begin(self, recipe: str, encoder: str, *, total: int, segments: int, outgrown: int | None) -> int:
        """How many segments of this recipe are finished. Those of any other are removed.

        `total`, `segments`: of the whole clip, in frames and in segments.
        """
        with keeping_in(self._keep.folder):
            return self._begin(recipe, encoder, total, segments, outgrown)

    def _begin(self, recipe: str, encoder: str, total: int, segments: int, outgrown: int | None) -> int:
        found = self._file
        if found is not None and found.recipe == recipe and self._complete(found):
            if found.segment:
                self._write(found.model_copy(update={"resumed_count": found.resumed_count + 1}))
            return found.segment
        # A second try at a smaller size goes on with the same attempt.
        resumed = 0 if found is None or outgrown is None else found.resumed_count
        self._clear()
        self._file = CheckpointFile(
            frame=0,
            total=total,
            segment=0,
            segments=segments,
            resumed_count=resumed,
            request_id=self._keep.request_id,
            spec_hash=self._keep.spec_hash,
            agent_id=self._keep.agent_id,
            created_at=datetime.now(UTC),
            source_size=self._identity.size,
            source_mtime_ns=self._identity.mtime_ns,
            recipe=recipe,
            encoder=encoder,
            sizes=(),
            frames=(),
            outgrown=outgrown,
            framing=self.framing,
        )
        if outgrown is not None:
            self._write(self._file, notify=False)
        return 0

    def add(self, made: Path, frame: int, *, reported_errors: bool) -> None:
        """Keep the next segment, which is moved here; `frame`: how many frames are finished with it."""
        assert self._file is not None, "begin was called"
        number = self._file.segment
        with keeping_in(self._keep.folder):
            now_finished = {
                "frame": frame,
                "segment": number + 1,
                "agent_id": self._keep.agent_id,
                "created_at": datetime.now(UTC),
                "sizes": (*self._file.sizes, made.stat().st_size),
                "frames": (*self._file.frames, frame - self._file.frame),
                "reported_errors": self._file.reported_errors or reported_errors,
            }
            flush(made)
            os.replace(made, self.path(number))
            self._write(self._file.model_copy(update=now_finished))

    def path(self, number: int) -> Path:
        """The file of a finished segment."""
        return self._keep.folder / segment_name(number)

    def discard(self) -> None:
        """Remove everything: nothing can be made of it."""
        with keeping_in(self._keep.folder):
            self._clear()
        self._file = None

    def _complete(self, file: CheckpointFile) -> bool:
        return all(size_of(self.path(number)) == size for number, size in enumerate(file.sizes))

    def _read(self) -> CheckpointFile | None:
        try:
            file = CheckpointFile.model_validate_json((self._keep.folder / FILE).read_bytes())
        except (FileNotFoundError, ValidationError):
            return None
        made_for = (file.request_id, file.spec_hash, file.source_size, file.source_mtime_ns)
        keep, recording = self._keep, self._identity
        same = made_for == (keep.request_id, keep.spec_hash, recording.size, recording.mtime_ns)
        return file if same and file.is_consistent else None

    def _write(self, file: CheckpointFile, *, notify: bool = True) -> None:
        part = self._keep.folder / f"{FILE}.part"
        part.write_bytes(file.model_dump_json(exclude_none=True).encode())
        flush(part)
        os.replace(part, self._keep.folder / FILE)
        self._file = file
        if notify:
            self._notify(Checkpoint.model_validate(file.model_dump(include=set(Checkpoint.model_fields))))

    def _clear(self) -> None:
        for file in self._keep.folder.iterdir():
            file.unlink()
