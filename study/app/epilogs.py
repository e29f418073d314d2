"""What `--help` of the verbs in `study.app.verbs` ends with: what else a user has to know, and examples."""

from __future__ import annotations

RUN = """\
examples:
  python study/run.py --variant cross
      tune cross-attention fusion on the embedded demo corpus (a few minutes on two cores)
  python study/run.py --variant self,cross --corpus IEMOCAP_full_release --labels 7
      tune both fusions on IEMOCAP, features by WavLM and BERT
  python study/run.py --variant cross --corpus my/manifest.csv --audio-encoder logmel --text-encoder hash
      your own corpus, with features that need no download
  ser-study run --config mlruns/studies/demo-cross/study.yaml --configs 32
      go on with a study whose options are in its file, to more configurations

The same command run again goes on where the study was interrupted, or shows the result of a finished one.
exit codes: 0 finished, 1 failed, 2 wrong usage, 130 interrupted
"""
FEATURES = """\
Features that are there already are not extracted again. A study with the same options finds them by their content.

examples:
  ser-study features --corpus IEMOCAP_full_release --labels 7
  ser-study features --corpus my/manifest.csv --audio-encoder logmel --text-encoder hash --to npz
"""
CHECK = """\
examples:
  ser-study check my/manifest.csv
  ser-study check IEMOCAP_full_release --labels 7 --all
exit codes: 0 a study can use it, 1 it cannot
"""
REPORT = """\
examples:
  ser-study report demo-cross
"""
EXPLAIN = """\
examples:
  ser-study explain demo-cross
  ser-study explain demo-cross --config 7
"""
COMPARE = """\
The differences are those of the selected configurations on the test folds, with intervals as in a study's own report.

examples:
  ser-study compare iemocap-7-cross iemocap-7-self
"""
LIST = """\
states:
  running      a process holds the study
  interrupted  it has something left to do; the command that began it goes on
  finished     it has a result
  failed       it is finished, and a variant has no complete configuration
  damaged      it cannot be read; the reason is below the table

examples:
  ser-study list
  ser-study list --output /data/mlruns --json
"""
CLEAN = """\
It lists what it would remove, with sizes, and asks; without a terminal and --yes it only lists. Kept are whatever a
running, interrupted or damaged study could need, and every file that the project did not write. Features that are
removed are extracted again when a study asks for them.

examples:
  ser-study clean
  ser-study clean --weights --yes
"""
COMPLETION = """\
examples, once for every later shell:
  bash   ser-study completion bash > ~/.local/share/bash-completion/completions/ser-study
  zsh    ser-study completion zsh > DIR/_ser-study, with a DIR that is in $fpath
  fish   ser-study completion fish > ~/.config/fish/completions/ser-study.fish
"""
