"""The table of policies. A new one is a file here and a row."""

from study.search.policies.full import Full
from study.search.policies.halving import Halving
from study.search.policies.promotion import PromotionByForecast
from study.search.policy import Policy

POLICIES: dict[str, Policy] = {"race": PromotionByForecast(), "asha": Halving(), "full": Full()}
