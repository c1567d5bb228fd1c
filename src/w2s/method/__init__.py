"""The paper's method as pure functions of one question: no files, no models, no gold.

Read `voting`, `agreement` (Stage I), `pairs` (Stage II); then `selector` (types), `demonstrations` (ours), `augment`
(MATH), `early_stopping` (ours, off by default). Labels with probabilities (ours): `labels` (rules), `label_model` (EM),
`features` and `calibration` (some gold answers of the weak model's own), `certificate` (a promise on what is kept).
"""
