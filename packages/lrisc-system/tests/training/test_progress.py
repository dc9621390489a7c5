from lrisc_system.training.progress import Position, RunTotals


def test_positions_sort_by_name_as_they_follow_one_another():
    positions = [Position(0, 9), Position(0, 10), Position(1, 0)]
    assert str(positions[1]) == "stage0-step0000010"
    assert sorted(map(str, positions)) == list(map(str, positions))


def test_throughput_is_images_over_seconds():
    assert RunTotals(seconds=4.0, images=10).images_per_second() == 2.5
    assert RunTotals().images_per_second() == 0
