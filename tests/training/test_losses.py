"""The table of losses: identities with plain cross-entropy, oracles, and what they gain where they should."""

import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from optuna.trial import FixedTrial
from sklearn.utils.class_weight import compute_class_weight
from torch import nn

from models.fusion import FusionConfig
from models.unimodal import Unimodal
from search_spaces.losses import LOSS_PARTS, are_losses
from search_spaces.recipe import Recipe
from study.features.pack import Pack, write_pack
from study.samplers.proposer import configuration
from study.training.batches import fold_data
from study.training.loop import begin, probabilities, train_fold
from study.training.losses import LOSSES, criterion_of, focal_loss
from study.variants import VARIANTS

N, N_CLASSES = 60, 4
LOSSES_TO_TRY = (*LOSS_PARTS, "balanced+soft", "focal+pairs+superclass", "logit_adjusted+smoothing+superclass")
every_loss = pytest.mark.parametrize("loss", LOSSES_TO_TRY)
CONFIG = FusionConfig(n_heads=1, width_per_head=8, context="linear", dropout=0.0)


def fold_of(folder, labels, vectors, votes=None, pairs=(), n_classes=N_CLASSES, parts=3):
    """Utterances of one frame each, dealt to training, validation and test in turn."""
    ids = [f"u{number:05d}" for number in range(len(labels))]
    write_pack(folder / "audio", ids, [vector[None].half() for vector in vectors], None, {})
    members = list(zip(ids, map(int, labels), strict=True))
    dealt = {name: members[place::parts] for place, name in enumerate(("training", "validation", "test"))}
    votes = None if votes is None else {id: own for id, own in zip(ids, votes, strict=True) if own is not None}
    return fold_data({"audio": Pack.open(folder / "audio")}, dealt, n_classes, votes=votes, pairs=pairs)


@pytest.fixture(scope="module")
def fold(tmp_path_factory):
    """An unbalanced fold with votes for two thirds of its utterances, and one confused pair."""
    draw = random.Random(0)
    labels = draw.choices(range(N_CLASSES), weights=(8, 4, 2, 1), k=N) + [0, 1, 2, 3] * 3
    vectors = torch.randn(len(labels), 5, generator=torch.Generator().manual_seed(0))
    shares = np.random.default_rng(0).dirichlet(np.ones(N_CLASSES), len(labels)).tolist()
    votes = [None if number % 3 == 1 else own for number, own in enumerate(shares)]
    return fold_of(tmp_path_factory.mktemp("losses"), labels, vectors, votes, pairs=[(0, 3)])


@pytest.fixture
def logits(fold):
    drawn = 3 * torch.randn(len(fold.training), N_CLASSES, generator=torch.Generator().manual_seed(1))
    return drawn.requires_grad_()


def value_and_gradient(criterion, logits):
    loss = criterion(logits, torch.arange(len(logits)))
    (gradient,) = torch.autograd.grad(loss, logits)
    return loss.detach(), gradient


def plain(logits, labels, **more):
    loss = torch.nn.functional.cross_entropy(logits, labels, **more)
    (gradient,) = torch.autograd.grad(loss, logits)
    return loss.detach(), gradient


def test_what_can_be_chosen_is_what_can_be_computed():
    assert set(LOSS_PARTS) == set(LOSSES)
    fields = {part.number[0] for part in LOSS_PARTS.values() if part.number}
    assert fields <= set(vars(Recipe()))
    for name, part in LOSS_PARTS.items():
        if part.number:
            field, low, high = part.number
            assert low <= getattr(Recipe(), field) <= high, name


@pytest.mark.parametrize(
    "neutral",
    [
        Recipe(),
        Recipe(loss="logit_adjusted", logit_tau=0.0),
        Recipe(loss="focal", focal_gamma=0.0),
        Recipe(loss="smoothing", label_smoothing=0.0),
        Recipe(loss="soft", soft_labels=0.0),
        Recipe(loss="pairs", pair_smoothing=0.0),
        Recipe(loss="superclass", superclass_weight=0.0),
    ],
    ids=lambda recipe: recipe.loss,
)
def test_a_part_without_effect_is_cross_entropy_to_the_bit(fold, logits, neutral):
    loss, gradient = value_and_gradient(criterion_of(neutral, fold), logits)
    expected, expected_gradient = plain(logits, fold.training.labels)
    assert loss.equal(expected)
    assert gradient.equal(expected_gradient)


@every_loss
def test_certain_and_absurd_logits_give_finite_losses_and_gradients(fold, loss):
    criterion = criterion_of(Recipe(loss=loss, focal_gamma=0.5), fold)
    extreme = torch.zeros(len(fold.training), N_CLASSES)
    extreme[torch.arange(len(extreme)), fold.training.labels] = 200.0
    for logits in (extreme, -extreme):
        value, gradient = value_and_gradient(criterion, logits.requires_grad_())
        assert torch.isfinite(value)
        assert torch.isfinite(gradient).all()


def test_balanced_is_pytorchs_weighted_cross_entropy_with_scikit_learns_weights(fold, logits):
    labels = fold.training.labels
    weight = torch.tensor(
        compute_class_weight("balanced", classes=np.arange(N_CLASSES), y=labels.numpy()), dtype=torch.float
    )
    found = value_and_gradient(criterion_of(Recipe(loss="balanced"), fold), logits)
    torch.testing.assert_close(found, plain(logits, labels, weight=weight), atol=1e-6, rtol=0)


def test_smoothing_is_pytorchs(fold, logits):
    found = value_and_gradient(criterion_of(Recipe(loss="smoothing", label_smoothing=0.3), fold), logits)
    torch.testing.assert_close(found, plain(logits, fold.training.labels, label_smoothing=0.3), atol=1e-6, rtol=0)


def test_focal_is_the_papers_formula(fold, logits):
    p = logits.detach().double().softmax(1)[torch.arange(len(logits)), fold.training.labels].numpy()
    expected = (-((1 - p) ** 1.5) * np.log(p)).mean()
    found, _ = value_and_gradient(criterion_of(Recipe(loss="focal", focal_gamma=1.5), fold), logits)
    assert float(found) == pytest.approx(expected, abs=1e-6)


def test_logit_adjustment_adds_logarithms_of_the_training_frequencies(fold, logits):
    labels = fold.training.labels
    frequency = np.bincount(labels, minlength=N_CLASSES) / len(labels)
    shifted = logits + 1.5 * torch.tensor(np.log(frequency), dtype=torch.float)
    found = value_and_gradient(criterion_of(Recipe(loss="logit_adjusted", logit_tau=1.5), fold), logits)
    torch.testing.assert_close(found, plain(shifted, labels)[:1] + plain_gradient(logits, shifted, labels))


def plain_gradient(logits, shifted, labels):
    return torch.autograd.grad(torch.nn.functional.cross_entropy(shifted, labels), logits)


def test_soft_labels_move_a_share_to_the_votes_and_leave_utterances_without_votes(fold):
    criterion = criterion_of(Recipe(loss="soft", soft_labels=0.25), fold)
    certain = torch.eye(N_CLASSES)[fold.training.labels]
    torch.testing.assert_close(criterion.targets, 0.75 * certain + 0.25 * fold.training.votes)
    without = [place for place, id in enumerate(fold.training.ids) if int(id[1:]) % 3 == 1]
    assert criterion.targets[without].equal(certain[without])


def test_mass_moves_inside_confused_pairs_only_by_how_often_their_classes_occur(fold):
    targets = criterion_of(Recipe(loss="pairs", pair_smoothing=0.5), fold).targets
    n = np.bincount(fold.training.labels, minlength=N_CLASSES)
    expected = np.eye(N_CLASSES)
    expected[0] = [0.5 + 0.5 * n[0] / (n[0] + n[3]), 0, 0, 0.5 * n[3] / (n[0] + n[3])]
    expected[3] = [0.5 * n[0] / (n[0] + n[3]), 0, 0, 0.5 + 0.5 * n[3] / (n[0] + n[3])]
    np.testing.assert_allclose(targets, expected[fold.training.labels], atol=1e-6)


def test_a_superclass_has_the_summed_probability_of_its_classes(fold, logits):
    criterion = criterion_of(Recipe(loss="superclass", superclass_weight=0.7), fold)
    p = logits.detach().double().softmax(1).numpy()
    summed = np.stack([p[:, 0] + p[:, 3], p[:, 1], p[:, 2], p[:, 0] + p[:, 3]], axis=1)
    places = np.arange(len(p)), fold.training.labels.numpy()
    expected = (-np.log(p[places]) - 0.7 * np.log(summed[places])).mean()
    assert float(value_and_gradient(criterion, logits)[0]) == pytest.approx(expected, abs=1e-5)


def test_a_superclass_loss_weighs_mistakes_between_superclasses_and_leaves_those_within_pairs(fold, logits):
    """By the chain rule of probabilities, for class and superclass: p(class) = p(superclass) p(class | superclass)."""
    superclass = torch.tensor([0, 1, 2, 0])
    labels = fold.training.labels
    own = superclass[labels]
    together = torch.stack([logits[:, [0, 3]].logsumexp(1), logits[:, 1], logits[:, 2]], dim=1)
    outside = superclass != own[:, None]
    between = nn.functional.cross_entropy(together, own)
    within = nn.functional.cross_entropy(logits.masked_fill(outside, -torch.inf), labels)
    found = value_and_gradient(criterion_of(Recipe(loss="superclass", superclass_weight=0.7), fold), logits)
    expected = 1.7 * between + within
    torch.testing.assert_close(found, (expected.detach(), *torch.autograd.grad(expected, logits)))


def test_a_focal_loss_of_weights_and_shares_is_the_weighted_sum_over_classes():
    logits, shares, weight = torch.randn(5, 3), torch.rand(5, 3), torch.rand(3)
    p = logits.double().softmax(1).numpy()
    expected = -(shares.numpy() * weight.numpy() * (1 - p) ** 2 * np.log(p)).sum(1).mean()
    assert float(focal_loss(logits, shares, weight, 2.0)) == pytest.approx(expected, abs=1e-5)


@every_loss
def test_nothing_held_out_reaches_the_loss(fold, loss):
    """Other labels and votes of the held-out parts leave the criterion as it is."""

    def others(part):
        return replace(part, labels=part.labels.flip(0) * 0, votes=torch.zeros_like(part.votes))

    changed = replace(fold, validation=others(fold.validation), test=others(fold.test))
    before, after = (criterion_of(Recipe(loss=loss), data) for data in (fold, changed))
    for field, value in vars(before).items():
        other = getattr(after, field)
        assert value.equal(other) if torch.is_tensor(value) else value == other


@every_loss
def test_a_loss_trains_and_what_is_predicted_are_the_models_own_logits(fold, loss):
    recipe = Recipe(loss=loss, learning_rate=1e-2)
    training = begin(Unimodal, CONFIG, recipe, fold, seed=0)
    epochs = list(train_fold(training, fold, recipe, epochs=2, metric="UWA", seed=0))
    assert all(np.isfinite(epoch.loss) for epoch in epochs)
    with torch.inference_mode():
        streams, _ = next(fold.test.in_order(len(fold.test)))
        own = training.model.eval()(streams).softmax(1)
    torch.testing.assert_close(training.predictions[-1].test, own)


@pytest.mark.parametrize("wrong", ["", "ces", "ce+soft", "balanced+focal", "soft+pairs", "soft+soft", "balanced+", 5])
def test_names_that_are_no_loss(wrong):
    assert not are_losses(["ce", wrong])


@pytest.mark.parametrize("name", ["cross", "mdre"])
def test_a_draw_has_the_number_of_its_loss_alone_and_replays(name):
    variant = VARIANTS[name].choosing({"loss": LOSSES_TO_TRY})
    numbers, seen = {part.number[0] for part in LOSS_PARTS.values() if part.number}, set()
    for start in variant.starts():
        trial = FixedTrial(start)
        drawn = variant.suggest(trial)
        assert variant.suggest(FixedTrial(trial.params)) == drawn
        named = {part.number[0] for key in drawn[1].loss.split("+") if (part := LOSS_PARTS[key]).number}
        assert numbers & set(trial.params) == named
        assert configuration(VARIANTS[name], trial.params) == drawn
        seen.add(drawn[1].loss)
    assert seen == set(LOSSES_TO_TRY)


class Linear(nn.Module):
    """A linear map of the one frame of an utterance: what a loss changes, and little else to train."""

    def __init__(self, config, dims, n_classes):
        super().__init__()
        self.classify = nn.Linear(dims["audio"], n_classes)

    def forward(self, streams):
        return self.classify(streams["audio"].frames)


def trained(fold, loss, **fields):
    """A linear model after 15 epochs of training."""
    recipe = Recipe(loss=loss, learning_rate=3e-2, batch_size=64, patience=15, **fields)
    training = begin(Linear, None, recipe, fold, seed=0)
    list(train_fold(training, fold, recipe, epochs=15, metric="UWA", seed=0))
    return training


def uwa_of(training):
    """Balanced accuracy on test of the epoch that is best on validation."""
    return max(training.history, key=lambda epoch: epoch.validation["UWA"]).test["UWA"]


@pytest.fixture(scope="module")
def one_in_twenty(tmp_path_factory):
    """Two classes that overlap, one of them with one utterance for 20 of the other."""
    generator = torch.Generator().manual_seed(3)
    labels = [int(number % 21 == 0) for number in range(2100)]
    random.Random(3).shuffle(labels)
    vectors = torch.randn(len(labels), 4, generator=generator) + 1.2 * torch.tensor(labels)[:, None]
    return fold_of(tmp_path_factory.mktemp("rare"), labels, vectors, n_classes=2)


def test_a_rare_class_gains_from_losses_that_read_frequencies(one_in_twenty):
    usual = uwa_of(trained(one_in_twenty, "ce"))
    for loss in ("balanced", "logit_adjusted"):
        assert uwa_of(trained(one_in_twenty, loss)) > usual + 0.05


def test_an_adjusted_models_probabilities_are_those_of_equal_frequencies(one_in_twenty):
    """With the frequencies added to its logits, it predicts the rare class as often as it occurs; without, more."""
    training = trained(one_in_twenty, "logit_adjusted")
    own = probabilities(training.model, one_in_twenty.test, 2).log()
    offset = criterion_of(Recipe(loss="logit_adjusted"), one_in_twenty).offset
    assert float(own.exp()[:, 1].mean()) > 3 / 21
    assert float((own + offset).softmax(1)[:, 1].mean()) == pytest.approx(1 / 21, abs=0.02)


def test_votes_tell_a_pair_apart_that_labels_do_not(tmp_path):
    """Training labels are drawn by a coin, as after a tie of annotators; votes follow what was said."""
    generator = torch.Generator().manual_seed(4)
    truth = torch.arange(900) // 3 % 2
    vectors = torch.randn(900, 4, generator=generator) + 1.5 * truth[:, None]
    labels = truth.clone()
    labels[::3] = (torch.rand(300, generator=generator) < 0.5).long()
    fold = fold_of(tmp_path, labels, vectors, torch.eye(2)[truth].tolist(), n_classes=2)
    assert uwa_of(trained(fold, "soft", soft_labels=1.0)) > 0.85
    plain = trained(fold, "ce").history
    assert max(epoch.validation["UWA"] for epoch in plain[5:]) < 0.75
