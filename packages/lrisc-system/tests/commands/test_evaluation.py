def test_evaluate_compares(lrisc, photo, checkpoint, tmp_path):
    code, output, error = lrisc(
        *("evaluate", "--data", photo.parent, "--out", tmp_path / "results"),
        *("--checkpoint", checkpoint, "--links", "lrisc", "linear", "--seeds", 1),
        *("--snr-db", 10, 19, "--cbr", 0.1, "--bandwidths", 0.1, "--picture-cbr", 0.1),
    )
    assert code == 0, error
    assert "one image, whole images, AWGN, one channel seed" in output
    assert len((tmp_path / "results" / "results.csv").read_text().splitlines()) == 1 + 2 * 2


def test_evaluate_refuses_in_one_line(lrisc, one_line, photo, tmp_path):
    evaluate = ("evaluate", "--data", photo.parent, "--out", tmp_path / "results")
    assert "got 'radio'" in one_line(lrisc(*evaluate, "--links", "radio"))
    assert "config.json" in one_line(lrisc(*evaluate, "--checkpoint", tmp_path))
    assert "got 3" in one_line(lrisc(*evaluate, "--cbr", 3))


def test_evaluate_takes_the_model_and_the_device(lrisc, one_line, photo, checkpoint, tmp_path):
    evaluate = (
        "evaluate",
        "--data",
        photo.parent,
        "--out",
        tmp_path / "results",
        "--links",
        "lrisc",
    )
    evaluate += ("--checkpoint", checkpoint)
    assert "got 'abc'" in one_line(lrisc(*evaluate, "--device", "abc"))
    assert "no_such_module" in one_line(lrisc(*evaluate, "--model", "no_such_module:f"))
