from __future__ import annotations

import json
from functools import partial

import numpy as np
import pytest

from fer_core.classes import ClassList
from fer_core.explanation import filters
from fer_core.explanation.filters import AscentSettings
from fer_core.workspace import write_json
from pages.ui.network.filters import ringed
from pages.ui.shell.background import BackgroundState
from tests.factories import untrained_checkpoint
from tests.pages.conftest import check, state_in, wait_for_work, words
from tests.run_factory import make_run


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Three steps instead of eighty."""
    monkeypatch.setattr(filters, "AscentSettings", partial(AscentSettings, steps=3))


def view(app, name):
    app.segmented_control(key="network-view").set_value(name).run()
    check(app)
    return app


def tiles(app):
    walls = [json.loads(c.proto.json) for c in app.get("bidi_component")]
    return [
        face["caption"] for wall in walls if "selectable" in wall for row in wall["groups"] for face in row["faces"]
    ]


def metric(app, label):
    return next(m.value for m in app.metric if m.label == label)


def choose_network(app, name):
    app.selectbox[0].set_value(name) if name in app.selectbox[0].options else app.selectbox[0].select(name)
    app.run()
    check(app)


def press(app, label):
    next(b for b in app.button if b.label == label).click().run()


def finish(app, key):
    wait_for_work(app, key, 120)
    app.run()
    check(app)


def network_box(app):
    return next(box for box in app.selectbox if box.label == "Network")


def test_the_table_holds_every_layer_with_its_derivation(open_page):
    app = open_page("network")
    network_box(app).set_value("seed").run()
    check(app)
    assert metric(app, "Parameters") == "538,439"
    assert metric(app, "Multiply-accumulates") == "28.7 million"
    table = app.dataframe[0].value
    assert table["Output"].tolist()[0] == "32 × 48 × 48"
    assert table["Output size"][0] == "⌊(48 + 2·2 − 5) / 1⌋ + 1 = 48"
    assert table["Parameters"].sum() == 538_439
    assert table["Weights"][0] == "32 · (1 · 5 · 5 + 1)"
    assert {"pool", "pool (2)", "pool (4)"} <= set(table["Layer"])


def test_another_architecture_can_be_looked_into_untrained(open_page):
    app = open_page("network")
    network_box(app).set_value("untrained:compact").run()
    check(app)
    assert "stages.4.excite.up" in app.dataframe[0].value["Layer"].tolist()
    assert len(tiles(view(app, "weights"))) == 32
    assert "Untrained weights are noise" in words(app)


def test_activations_of_any_layer_follow_the_chosen_face(open_page):
    app = view(open_page("network"), "activations")
    network_box(app).set_value("seed").run()
    layer = next(box for box in app.selectbox if box.label == "Layer")
    layer.set_value("pool (4)").run()
    check(app)
    assert tiles(app)[-1] == "127"
    assert "128 maps of 3×3" in words(app)
    next(box for box in app.selectbox if box.label == "Layer").set_value("classifier").run()
    check(app)
    assert "of 7 activations are positive" in words(app)
    before = tiles(app)
    press(app, "Other faces")
    check(app)
    assert sorted(tiles(app)) == sorted(before)


def test_a_filter_shows_its_pattern_beside_nine_faces(open_page):
    app = view(open_page("network"), "filter")
    network_box(app).set_value("seed").run()
    app.number_input(key="network-filter").set_value(7).run()
    check(app)
    assert "The response rises from" in words(app)
    press(app, "Search all 70 faces")
    finish(app, "network-top")
    assert len(tiles(app)) == 9
    strengths = [float(caption.split()[1]) for caption in tiles(app)]
    assert strengths == sorted(strengths, reverse=True)
    app.number_input(key="network-filter").set_value(8).run()  # found for all filters at once
    check(app)
    assert len(tiles(app)) == 9


def test_the_number_stays_within_a_smaller_layer(open_page):
    app = view(open_page("network"), "filter")
    network_box(app).set_value("seed").run()
    app.number_input(key="network-filter").set_value(127).run()
    next(box for box in app.selectbox if box.label == "Convolution").set_value("block1.0").run()
    check(app)
    assert app.number_input(key="network-filter").value == 31


def test_the_sheet_is_made_with_progress_kept_and_offered(open_page, workspace):
    app = view(open_page("network"), "sheet")
    network_box(app).set_value("seed").run()
    press(app, "Compute 128 patterns")
    check(app)
    finish(app, "network-sheet")
    assert tiles(app) == [str(number) for number in range(128)]
    assert "128 filters of block4.0, none is dead" in words(app).replace("\\", "")
    assert [b.label for b in app.get("download_button")] == ["Download patterns (PNG)"]
    again = view(open_page("network"), "sheet")
    network_box(again).set_value("seed").run()
    assert len(tiles(again)) == 128  # from the disk


def test_cancelling_the_sheet_keeps_the_page(open_page, monkeypatch):
    monkeypatch.setattr(filters, "AscentSettings", partial(AscentSettings, steps=4000))
    app = view(open_page("network"), "sheet")
    press(app, next(b.label for b in app.button if b.label.startswith("Compute ")))
    check(app)
    work = state_in(app, BackgroundState).at["network-sheet"]
    assert work.running
    work.cancel()
    finish(app, "network-sheet")
    assert "Canceled" in words(app)


def test_a_dead_filter_is_told_of(open_page, workspace):
    import torch

    from fer_core.inference import CheckpointInfo, save_checkpoint
    from fer_core.models import build

    model = build("seed")
    with torch.no_grad():
        model.block4[0].weight[3] = 0
    run = make_run("with a dead filter", epochs=1)
    save_checkpoint(
        run.path / "best.safetensors",
        model.state_dict(),
        CheckpointInfo(architecture="seed", labels=ClassList.fer2013().names),
    )
    app = view(open_page("network"), "filter")
    network_box(app).set_value(run.id).run()
    app.number_input(key="network-filter").set_value(3).run()
    check(app)
    assert "Filter 3 of block4.0 is dead" in words(app).replace("\\", "")


def test_damaged_weights_are_told_of_in_a_sentence(open_page):
    run = make_run("damaged", epochs=1, weights=True)
    file = run.path / "best.safetensors"
    file.write_bytes(file.read_bytes()[:5000])
    app = open_page("network")
    network_box(app).set_value(run.id).run()
    check(app, errors=1)
    assert "damaged" in app.error[0].value


def test_without_its_data_the_faces_are_missing_and_the_pattern_is_not(open_page, workspace):
    write_json(workspace.app_state, {"data": "/nowhere/faces.zip"})
    app = open_page("network")
    app.segmented_control(key="network-view").set_value("filter").run()
    check(app, errors=1)
    assert "faces.zip" in app.error[0].value
    assert "The response rises from" in words(app)


def test_a_split_may_lack(open_page, monkeypatch):
    import fer_core.data
    from tests.factories import make_dataset

    monkeypatch.setattr(fer_core.data.reading, "load", lambda source, **_: make_dataset(valid=0, test=0))
    app = view(open_page("network"), "filter")
    assert any(b.label == "Search all 140 faces" for b in app.button)


def test_the_ring_lies_where_the_filter_answered():
    marked = ringed(np.full((48, 48), 100, np.uint8), 0.25, 0.75)
    rows, columns = np.nonzero(marked > 200)
    assert abs(rows.mean() - 36) < 1
    assert abs(columns.mean() - 12) < 1


def test_a_broken_model_file_does_not_hide_the_others(open_page, tmp_path):
    make_run("fine", epochs=1, weights=True)
    assert untrained_checkpoint(tmp_path / "x.safetensors")
    app = open_page("network")
    assert any("fine" in option for option in network_box(app).options)
