"""The report of a study as a page of text, from the figures of `report.json` alone."""

from collections.abc import Iterator, Mapping
from typing import Any

from study.results.formats import format_spread, format_value
from study.training.metrics import METRICS

PARTS = ("validation", "test")
# The systems of which variants named after them take one part away.
ABLATED = ("self", "cross")


def markdown(data: Mapping[str, Any]) -> str:
    """The report as a page of text."""
    corpus, first_fold = data["corpus"], data["folds"][0]
    lines = [
        f"# {data['name']}",
        "",
        f"{corpus['utterances']} utterances of {corpus['name']}, {len(data['classes'])} classes: "
        + ", ".join(f"{name} {count}" for name, count in corpus["classes"].items())
        + ".",
        "",
        f"{_division(data['protocol'], len(data['folds']), first_fold)} "
        f"Audio by {data['encoders'].get('audio', '-')}, words by {data['encoders'].get('text', '-')}. "
        f"At most {data['epochs']} epochs; configurations are compared at epochs {data['rungs']} by validation "
        f"{data['metric'].upper()}, mean over folds. Seed {data['seed']}.",
        "",
        f"Protocol {data['protocol']}: {data['protocol_note']}.",
        "",
        f"{_confirmation(data)}WA accuracy, UWA balanced accuracy, WF1 F1 weighted by support, UWF1 macro F1. "
        f"Mean ± standard deviation over {data['over']} (n - 1).",
        "",
        "| variant | setting | part | " + " | ".join(METRICS) + " |",
        "|---|---|---|" + "---|" * len(METRICS),
    ]
    for row in table_rows(data):
        lines.append("| " + " | ".join(row) + " |")
    for parent in ABLATED:
        rows = list(ablation_rows(data, parent))
        if len(rows) > 1:
            lines += ["", f"## What {parent} loses without its parts (test)", ""]
            lines += ["| system | " + " | ".join(METRICS) + " |", "|---|" + "---|" * len(METRICS)]
            lines += ["| " + " | ".join(row) + " |" for row in rows]
    if data["comparisons"]:
        lines += ["", "## What the comparisons show", "", *(f"- {sentence}" for sentence in data["conclusion"]), ""]
        lines += [
            f"| first minus second | {data['metric'].upper()} | p (Holm) | 95 % interval | worse / equal / better |"
        ]
        lines += ["|---|---|---|---|---|", *map(_comparison_row, data["comparisons"])]
    for name, variant in data["variants"].items():
        if variant["n_configs"]:
            lines += ["", f"## {name}", "", budget_sentence(variant), "", *_variant_lines(name, variant)]
    return "\n".join(lines) + "\n"


def _division(protocol: str, n_folds: int, first: Mapping[str, Any]) -> str:
    test, validation = ("+".join(first[part]) for part in ("test", "validation"))
    if protocol == "nested":
        return (
            f"{n_folds} folds, one for every pair of blocks of sessions; each run is scored on both and read both ways "
            f"(fold 0: {test} and {validation})."
        )
    return (
        f"{n_folds} folds; each holds out one block of sessions as test and another whole one as validation "
        f"(fold 0: test {test}, validation {validation})."
    )


def nested_sentences(variant: Mapping[str, Any]) -> Iterator[str]:
    """What nested selection chose for every test session, and how much better a shared choice would have looked."""
    nested = variant.get("nested")
    if nested is None:
        return
    chosen = ", ".join(f"{block} by {number}" for block, number in nested["choices"].items())
    yield f"Test sessions and the configurations that were chosen without them: {chosen}."
    told = ", ".join(f"{metric} {value:+.3f}" for metric, value in nested["optimism"].items())
    yield f"Measured optimism, the test score of one shared choice minus that of the nested ones: {told}."


def _confirmation(data: Mapping[str, Any]) -> str:
    if not data["seeds"]:
        return "Figures are those of the search itself. "
    return (
        f"The best {data['finalists']} of each search and the published setting were trained again with "
        f"{data['seeds']} fresh seed{'s' if data['seeds'] > 1 else ''}; the pick and all figures come from these. "
    )


def _comparison_row(comparison: Mapping[str, Any]) -> str:
    interval, odds = comparison["interval"], comparison["equivalence"]
    shares = " / ".join("-" if odds[key] is None else f"{odds[key]:.2f}" for key in ("worse", "equal", "better"))
    return (
        f"| {comparison['first']} - {comparison['second']} | {comparison['mean']:+.3f} | {comparison['p_holm']:.3f} "
        f"| {interval['low']:+.3f} to {interval['high']:+.3f} | {shares} |"
    )


def _variant_lines(name: str, variant: Mapping[str, Any]) -> Iterator[str]:
    if variant["config"] is None:
        yield "No configuration was completed, so there is nothing to select."
        return
    by_whom = "confirmed with fresh seeds" if variant["confirmed"] else "by the search alone"
    published = " (the published setting)" if variant["selected"] == 0 else ""
    yield f"Selected configuration {variant['selected']}{published}, {by_whom}:"
    yield ""
    yield from (f"- {key}: {format_value(value)}" for key, value in variant["config"].items())
    yield ""
    yield from nested_sentences(variant)
    yield "Validation minus test: " + ", ".join(f"{m} {value:+.3f}" for m, value in variant["optimism"].items()) + "."
    yield "Recall by class: " + ", ".join(f"{c} {recall:.2f}" for c, recall in variant["recalls"].items()) + "."
    for pair, shares in variant["pairs"].items():
        first, second = pair.split("/")
        yield (
            f"Of {first}, {shares['first_as_second']:.0%} taken for {second}; "
            f"of {second}, {shares['second_as_first']:.0%} taken for {first}."
        )
    for kind, scores in variant["by_script"].items():
        if kind != "words_seen":
            yield f"{kind.capitalize()} ({scores['n']}): " + ", ".join(f"{m} {scores[m]:.3f}" for m in METRICS) + "."
    if "words_seen" in variant["by_script"]:
        yield f"Test utterances whose words occur in training: {variant['by_script']['words_seen']:.0%}."
    yield ""
    yield f"![confusion matrix of {name}](pictures/confusion-{name}.png)"


def table_rows(data: Mapping[str, Any]) -> Iterator[list[str]]:
    """Variant, setting, part and the four metrics as text, for the tuned, the published and the reference's setting.

    Under protocol nested, "tuned" is the nested choices and "shared" the one choice that has seen every session.
    """
    for name, variant in data["variants"].items():
        tuned = "tuned" if variant["n_configs"] else "guess"
        shared = (variant.get("nested") or {}).get("shared")
        for setting, source in ((tuned, variant), ("shared", shared), ("published", variant["published"])):
            for part in PARTS:
                if source is not None and source.get(part) is not None:
                    yield [name, setting, part, *(format_spread(source[part][metric]) for metric in METRICS)]
        if variant.get("reference") is not None:
            row = {metric: {"mean": mean, "std": std} for metric, (mean, std) in variant["reference"].items()}
            yield [name, "reference", "test", *(format_spread(row[metric]) for metric in METRICS)]


def ablation_rows(data: Mapping[str, Any], parent: str) -> Iterator[list[str]]:
    """The tuned test figures of `parent` and of its ablations, with the reference's own below each where known."""
    for variant, setting, part, *values in table_rows(data):
        of_family = variant == parent or variant.startswith(f"{parent}-")
        if of_family and part == "test" and setting not in ("shared", "published"):
            yield [f"{variant} ({setting})", *values]


def budget_sentence(variant: Mapping[str, Any]) -> str:
    """What a variant cost, in words."""
    outcomes = ", ".join(f"{count} {name}" for name, count in variant["outcomes"].items())
    return (
        f"{variant['n_configs']} configurations ({outcomes}), {variant['n_fold_runs']} fold runs, "
        f"{variant['epochs_run']} epochs, {variant['seconds']:.0f} s of training."
        + (" Then the time was up: the same command with a longer --budget goes on." if variant["out_of_time"] else "")
    )
