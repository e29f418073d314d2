"""The models of a folder, and the mean of their probabilities.

In the folder's weights, member k has the tensors `members.k.model.NAME` of its module and, for each stream,
`members.k.scaling.STREAM.mean` and `.deviation`: the scaling is of the training utterances of its own fold.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from models.build import build
from study.corpus.quoting import one_line
from study.errors import UserError
from study.features.pack import Pack
from study.inference.model_config import ModelConfig
from study.training.batches import Part
from study.training.gathering import MISSING
from study.training.loop import Diverged, probabilities
from study.training.scaling import Scaling
from study.training.temperature import scaled_by
from study.variants import VARIANTS

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Member:
    """A trained module, and how its streams are scaled."""

    module: nn.Module
    scaling: Mapping[str, Scaling]

    def tensors(self, number: int) -> Iterator[tuple[str, Tensor]]:
        """Its tensors by their names in the file, where it is member `number`."""
        for name, value in self.module.state_dict().items():
            yield f"members.{number}.model.{name}", value.detach().cpu()
        for stream, scaling in self.scaling.items():
            yield f"members.{number}.scaling.{stream}.mean", scaling.mean.cpu()
            yield f"members.{number}.scaling.{stream}.deviation", scaling.deviation.cpu()


class Ensemble:
    """The members of a model folder."""

    def __init__(self, config: ModelConfig, members: Sequence[Member]) -> None:
        """Average the probabilities of `members`, which are models of `config`."""
        self.config, self.members = config, tuple(members)

    @classmethod
    def of(cls, config: ModelConfig, tensors: Mapping[str, Tensor]) -> Ensemble:
        """The members whose weights and scalings are `tensors`.

        Raises:
            UserError: tensors are missing, too many, or of other shapes than the config's models.
        """
        left = dict(tensors)
        try:
            members = [_member(config, number, left) for number in range(len(config.members))]
        except UserError:
            raise
        except Exception as error:  # of a module's code, for whatever sizes the config has
            raise _misfit(f"a config that no model can have: {one_line(error)}") from None
        if left:
            raise _misfit(f"{len(left)} tensors more than its models have, as {next(iter(left))[:80]!r}")
        return cls(config, members)

    def of_members(self, streams: Mapping[str, Pack]) -> Float[Tensor, "members classes"]:
        """Each member's class probabilities of the one utterance whose frames are `streams`; it may lack some.

        Raises:
            UserError: one of them is not a number.
        """
        try:
            return torch.cat([self._of(member, streams) for member in self.members])
        except Diverged:
            raise UserError(
                "probabilities are numbers, and the model gives others for this recording; export it again"
            ) from None

    def __call__(self, streams: Mapping[str, Pack]) -> Float[Tensor, " classes"]:
        """The mean of the members' class probabilities, scaled by the temperature: what the folder predicts."""
        scaled = scaled_by(self.config.temperature, self.of_members(streams).numpy())
        return torch.from_numpy(scaled.mean(0))

    def _of(self, member: Member, streams: Mapping[str, Pack]) -> Float[Tensor, "1 classes"]:
        first = torch.zeros(1, dtype=torch.long)
        (id,) = {id for pack in streams.values() for id in pack.ids}
        rows = {name: first if name in streams else torch.full_like(first, MISSING) for name in self.config.streams}
        packs = {name: streams.get(name) or _nothing(member.scaling[name]) for name in rows}
        part = Part((id,), first, packs, rows, member.scaling, CPU)
        return probabilities(member.module, part, len(self.config.classes))


def _nothing(scaling: Scaling) -> Pack:
    """A pack for a stream that an utterance lacks, whose one frame is not read."""
    frames = torch.zeros(1, len(scaling.mean), dtype=torch.float16)
    return Pack(Path(), ("",), frames, torch.tensor([0, 1]), None, {})


def _member(config: ModelConfig, number: int, left: dict[str, Tensor]) -> Member:
    """Member `number`, whose tensors are taken out of `left`."""
    row = VARIANTS[config.variant]
    assert row.model is not None
    if set(config.streams) != set(row.inputs):
        raise _misfit(f"streams {', '.join(config.streams)}, not {', '.join(row.inputs)}")
    dims = {name: config.streams[name].dim for name in row.inputs}
    bands = {name: config.streams[name].bands for name in row.inputs if config.streams[name].bands}
    # Without memory: sizes that no file's weights have cost nothing.
    with torch.device("meta"):
        module = build(row.model, row.rebuilt(config.model), dims, bands, len(config.classes), config.missing)
    own = f"members.{number}"
    state = {name: _taken(left, f"{own}.model.{name}", value) for name, value in module.state_dict().items()}
    module.load_state_dict(state, assign=True)
    if any(value.is_meta for value in (*module.parameters(), *module.buffers())):
        raise _misfit("a part of the model that is not among its weights")
    scaling = {}
    for name, stream in config.streams.items():
        expected = torch.empty(stream.dim * max(1, len(stream.bands)), device="meta")
        mean, deviation = (_taken(left, f"{own}.scaling.{name}.{what}", expected) for what in ("mean", "deviation"))
        scaling[name] = Scaling(mean, deviation)
    return Member(module.eval().requires_grad_(False), scaling)


def _taken(left: dict[str, Tensor], name: str, expected: Tensor) -> Tensor:
    if (found := left.pop(name, None)) is None:
        raise _misfit(f"no tensor {name}")
    if (found.shape, found.dtype) != (expected.shape, expected.dtype):
        sizes = f"{list(found.shape)} {found.dtype}, not {list(expected.shape)} {expected.dtype}"
        raise _misfit(f"tensor {name} of {sizes}")
    return found


def _misfit(fault: str) -> UserError:
    return UserError(
        f"the weights of a model are those of its config.json, and this folder has {fault}; copy the folder again, or "
        "write it with `ser-study export`"
    )
