"""The published result table that a seven-class IEMOCAP study is set beside: mean and deviation of each metric.

Source: Attention-based Multimodal Speech Emotion Recognition (student project, 2022). Its own limitation is
suboptimal tuning; its random baseline is an average over draws.
"""

REFERENCE: dict[str, dict[str, tuple[float, float]]] = {
    row: {"WA": (wa, wa_std), "UWA": (uwa, uwa_std), "WF1": (wf1, wf1_std), "UWF1": (uwf1, uwf1_std)}
    for row, wa, wa_std, uwa, uwa_std, wf1, wf1_std, uwf1, uwf1_std in (
        ("Random", 0.138, 0.002, 0.135, 0.004, 0.151, 0.002, 0.126, 0.002),
        ("Audio", 0.398, 0.018, 0.342, 0.006, 0.367, 0.016, 0.335, 0.007),
        ("Text", 0.506, 0.027, 0.492, 0.029, 0.498, 0.025, 0.475, 0.022),
        ("MDRE", 0.491, 0.039, 0.466, 0.056, 0.482, 0.035, 0.470, 0.041),
        ("Self-MHA", 0.522, 0.014, 0.486, 0.020, 0.519, 0.016, 0.488, 0.014),
        ("Cross-MHA", 0.509, 0.009, 0.477, 0.027, 0.509, 0.009, 0.478, 0.024),
        ("Self-noSP", 0.514, 0.022, 0.464, 0.042, 0.507, 0.027, 0.473, 0.046),
        ("Self-CLS", 0.505, 0.008, 0.461, 0.019, 0.504, 0.009, 0.468, 0.021),
        ("Cross-noSP", 0.498, 0.005, 0.442, 0.021, 0.493, 0.005, 0.448, 0.024),
        ("Cross-CLS", 0.518, 0.011, 0.451, 0.020, 0.512, 0.010, 0.456, 0.022),
    )
}
CLASSES = 7
UTTERANCES = 7487
