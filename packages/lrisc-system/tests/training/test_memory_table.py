import io

import pytest
from rich.console import Console

from lrisc_system.baselines.deepjscc.trainable import TrainableDeepJSCC
from lrisc_system.training.lrisc import TrainableLRISC
from lrisc_system.training.memory import Activations, Plan
from lrisc_system.training.memory_table import GIB, plan_table, print_plan, state_line

EMPTY = Activations(0, 0)


def test_the_table_has_a_row_per_batch_size():
    made = Plan(GIB, 0, 0, 0, 0, fixed=EMPTY, image=EMPTY)
    assert plan_table(made, [1, 2, 4], title="tiny").row_count == 3
    assert state_line(made).startswith("parameters 1.00, gradients 0.00")


@pytest.mark.parametrize("trainable", [TrainableLRISC(), TrainableDeepJSCC()])
def test_a_table_is_printed_for_every_kind(trainable):
    text = io.StringIO()
    console = Console(file=text, width=100)
    print_plan("tiny", trainable=trainable, batch_size=4, bf16=True, console=console)
    assert "tiny, 64 x 64, bf16: GiB per process" in text.getvalue()


def test_a_batch_of_nothing_is_refused():
    with pytest.raises(ValueError, match="expected a batch size of at least 1, got 0"):
        print_plan("tiny", trainable=TrainableLRISC(), batch_size=0, bf16=False, console=Console())
