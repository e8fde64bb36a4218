from __future__ import annotations

import numpy as np
import pytest

from fer_core.classes import ClassList
from fer_core.errors import ModelError
from fer_core.live import FrameResult, Game, LiveFace, LiveProcessor, LiveSession, Round, photo_strip, session
from fer_core.live.game import HOLD, MAX_ROUNDS, PHOTO, PLAY, READY, head
from tests.core.live.test_live import FakeDetector, at_once, face, frame
from tests.core.live.test_neutral_baseline import FakeClassifier

SEVEN = ClassList.fer2013()

RATE = 16  # a power of two, so that times add up exactly
PICTURE = frame()


def somebody(probabilities: dict[str, float], number: int = 1, box=(100, 60, 80, 80), labels=SEVEN) -> LiveFace:
    p = np.array([probabilities.get(label, 0.0) for label in labels], np.float32)
    best = int(p.argmax())
    return LiveFace(number, box, labels[best], float(p[best]), False, p, p, np.zeros((48, 48), np.uint8), 0.9)


def result(time: float, *faces: LiveFace, labels=SEVEN) -> FrameResult:
    return FrameResult(time, 320, 240, labels, faces)


class Player:
    """Shows a game frames, one after the other."""

    def __init__(self, seed: int = 4, labels=SEVEN) -> None:
        self.game = Game(labels, seed)
        self.time = 0.0

    @property
    def asked(self) -> str:
        return self.game.state().target

    def show(self, seconds: float, probability: float = 0.0, *, faces=None, picture=PICTURE) -> None:
        """The asked expression with some probability for some seconds."""
        for _ in range(round(seconds * RATE)):
            shown = [somebody({self.asked: probability})] if faces is None else faces
            self.game.add_frame(picture, result(self.time, *shown))
            self.time += 1 / RATE

    def get_ready(self) -> None:
        self.show(READY + 1 / RATE)
        assert self.game.state().phase == "play"

    def finish_round(self, probability: float = 0.0) -> None:
        number = len(self.game.state().played)
        while len(self.game.state().played) == number:
            self.show(1 / RATE, probability)


def test_each_expression_but_neutral_is_asked_for_once_in_an_order_of_the_seed():
    def order(seed: int) -> list[str]:
        player = Player(seed)
        for number in range(1, 7):
            player.game.skip(number)
        assert player.game.over
        return [played.target for played in player.game.state().played]

    assert sorted(order(1)) == sorted(set(SEVEN) - {"neutral"})
    assert order(1) == order(1)
    assert len({tuple(order(seed)) for seed in range(6)}) > 1


def test_a_round_gets_ready_plays_and_ends_by_the_time_of_the_frames():
    player = Player()
    first = player.game.state()
    assert (first.phase, first.number, first.rounds) == ("ready", 1, 6)
    player.show(1.0)
    assert player.game.state().left == pytest.approx(READY - 15 / RATE)
    player.show(READY - 1.0 + 1 / RATE)
    scene = player.game.state()
    assert scene.phase == "play"
    assert scene.left == pytest.approx(PLAY)
    player.show(PLAY - 2 / RATE)
    assert player.game.state().phase == "play"
    player.show(2 / RATE)
    scene = player.game.state()
    assert (scene.phase, scene.number) == ("ready", 2)
    assert scene.target != first.target


def test_the_score_is_the_best_probability_that_was_held():
    player = Player()
    player.get_ready()
    player.show(HOLD + 0.15, 0.6)
    assert player.game.state().best == pytest.approx(0.6)
    player.show(0.1, 0.95)  # a flicker
    player.show(0.2, 0.4)
    assert player.game.state().best == pytest.approx(0.6)
    assert player.game.state().now == pytest.approx(0.4)
    for probability in np.linspace(0.7, 0.9, 10):  # held and still rising: the lowest of the last moment counts
        player.show(1 / RATE, float(probability))
    assert 0.7 <= player.game.state().best < 0.85
    player.finish_round()
    assert player.game.state().played[0].score == round(100 * (0.7 + 0.2 * 4 / 9))  # 5 frames before the last: 0.31 s


def test_what_was_shown_while_getting_ready_does_not_count():
    player = Player()
    player.show(READY + 1 / RATE, 0.9)
    assert player.game.state().phase == "play"
    player.show(HOLD, 0.2)
    assert player.game.state().best <= 0.2 + 1e-6


def test_the_picture_is_the_head_at_the_best_moment_in_colour():
    player = Player()
    player.get_ready()
    blue, red = np.zeros_like(PICTURE), np.zeros_like(PICTURE)
    blue[..., 2], red[..., 0] = 255, 255
    player.show(0.6, 0.5, picture=red)
    player.show(0.6, 0.8, picture=blue)
    player.show(0.6, 0.3, picture=red)
    player.finish_round()
    (played,) = player.game.state().played
    assert played.photo.shape == (PHOTO, PHOTO, 3)
    assert played.photo.reshape(-1, 3).mean(axis=0).tolist() == [0, 0, 255]


def test_a_picture_holds_the_whole_head_and_nothing_of_the_camera_picture_is_kept_alive():
    picture = np.zeros((240, 320, 3), np.uint8)
    picture[60:140, 100:180] = 200  # the face's box
    photo = head(picture, (100, 60, 80, 80))
    share = (photo[..., 0] > 100).mean()
    assert share == pytest.approx((1 / 1.6) ** 2, abs=0.02)
    assert photo.base is None or photo.base.nbytes < picture.nbytes


@pytest.mark.parametrize("box", [(-60, -60, 80, 80), (300, 220, 80, 80), (0, 0, 900, 900), (10, 10, 0.3, 0.3)])
def test_heads_at_the_edge_and_of_any_size_can_be_cut_out(box):
    assert head(PICTURE, box).shape == (PHOTO, PHOTO, 3)


def test_the_largest_face_plays_and_the_page_hears_of_the_others():
    player = Player()
    player.get_ready()
    asked = player.asked
    small = somebody({asked: 0.99}, number=2, box=(0, 0, 30, 30))
    player.show(1.0, faces=[small, somebody({asked: 0.4})])
    scene = player.game.state()
    assert scene.best == pytest.approx(0.4)
    assert scene.note == "2 faces are visible; the largest one plays."


def test_an_expression_must_be_held_by_one_face():
    player = Player()
    player.get_ready()
    asked = player.asked
    for i in range(20):
        player.show(4 / RATE, faces=[somebody({asked: 0.9}, number=i % 2)])
    assert player.game.state().best == 0


def test_nobody_has_to_hurry_into_the_picture_but_a_round_goes_on_without_a_face():
    player = Player()
    player.show(10, faces=[])
    scene = player.game.state()
    assert (scene.phase, scene.left) == ("ready", READY)
    assert scene.note.startswith("No face is visible")
    player.get_ready()
    player.show(1, faces=[])
    assert player.game.state().now == 0
    player.show(PLAY, faces=[])
    assert player.game.state().number == 2


def test_a_face_that_goes_while_getting_ready_starts_that_anew():
    player = Player()
    player.show(READY - 0.2)
    player.show(0.1, faces=[])
    player.show(READY - 0.2)
    assert player.game.state().phase == "ready"


def test_the_end_has_a_total_and_every_round():
    player = Player()
    while not player.game.over:
        player.finish_round(0.5)
    scene = player.game.state()
    assert scene.phase == "over"
    assert [played.score for played in scene.played] == [50] * 6
    assert scene.total == 300
    assert scene.ended == ""
    player.show(1, 0.9)  # frames go on
    assert player.game.state().total == 300


def test_skip_ends_a_round_with_what_was_reached():
    player = Player()
    player.game.skip(1)  # before the first frame
    player.game.skip(1)  # pressed twice, or when the round has just ended
    player.get_ready()
    player.show(1, 0.7)
    player.game.skip(2)
    first, second = player.game.state().played
    assert (first.score, first.photo) == (0, None)
    assert second.score == 70


def test_stop_ends_the_game_and_keeps_the_rounds_that_are_over():
    player = Player()
    player.finish_round(0.5)
    player.show(1, 0.9)
    player.game.stop()
    player.game.stop("again")
    scene = player.game.state()
    assert player.game.over
    assert scene.ended == "You stopped the game."
    assert [played.score for played in scene.played] == [50]
    player.game.skip(2)
    player.game.pause()
    assert player.game.state().ended == "You stopped the game."


def test_a_camera_that_stops_pauses_the_game_and_the_round_begins_anew():
    player = Player()
    player.finish_round(0.5)
    player.get_ready()
    player.show(1, 0.9)
    player.game.pause()
    scene = player.game.state()
    assert (scene.phase, scene.number, scene.best, scene.left) == ("ready", 2, 0, READY)
    assert "Press START" in scene.note
    player.time += 60
    player.show(0.5)
    scene = player.game.state()
    assert scene.note == "The camera stopped, so this round restarts."
    assert [played.score for played in scene.played] == [50]
    player.get_ready()
    assert player.game.state().note == ""


def test_a_picture_that_stood_still_starts_the_round_anew():
    player = Player()
    player.get_ready()
    player.show(1, 0.9)
    player.time += 3
    player.show(1 / RATE, 0.9)
    scene = player.game.state()
    assert (scene.phase, scene.best) == ("ready", 0)
    assert "froze" in scene.note


def test_other_labels_end_the_game():
    player = Player()
    player.finish_round(0.5)
    player.game.add_frame(PICTURE, result(player.time, labels=ClassList(("smile", "neutral"))))
    scene = player.game.state()
    assert scene.phase == "over"
    assert "model changed" in scene.ended


def test_a_model_without_an_expression_cannot_be_played():
    with pytest.raises(ModelError, match="has only 'smile'"):
        Game(ClassList(("neutral", "smile")), 1)


def test_of_many_classes_a_few_are_asked_for_and_a_neutral_by_any_name_is_not():
    classes = ClassList(("Neutrality", *(f"class {i}" for i in range(39))))
    asked = {order(classes, seed) for seed in range(20)}
    assert {len(names) for names in asked} == {MAX_ROUNDS}
    assert len(asked) > 1, "another game asks for others"
    assert "Neutrality" not in {name for names in asked for name in names}


def order(classes: ClassList, seed: int) -> tuple[str, ...]:
    game = Game(classes, seed)
    while not game.over:
        game.skip(game.state().number)
    return tuple(played.target for played in game.state().played)


def test_the_same_frames_give_the_same_game_twice():
    def play() -> list[tuple[str, int, bytes]]:
        rng, player = np.random.default_rng(7), Player(seed=9)
        while not player.game.over:
            picture = rng.integers(0, 256, PICTURE.shape).astype(np.uint8)
            player.show(1 / RATE, float(rng.random()), picture=picture)
        return [(r.target, r.score, r.photo.tobytes()) for r in player.game.state().played]

    assert play() == play()


# --- the strip


def test_the_strip_shows_every_round_once_and_leaves_a_place_for_those_without_a_picture():
    photo = np.full((PHOTO, PHOTO, 3), (200, 30, 30), np.uint8)
    rounds = [Round("happy", 90, photo), Round("sad", 0, None), Round("fear", 12, photo), Round("angry", 1, photo)]
    sheet = photo_strip(rounds, SEVEN)
    red = (sheet == (200, 30, 30)).all(axis=2)
    assert red.sum() == 3 * PHOTO * PHOTO
    assert sheet.shape[1] > 3 * PHOTO
    assert sheet.shape[0] > 2 * PHOTO
    assert photo_strip(rounds[:1], SEVEN).shape[1] < 2 * PHOTO
    assert not np.array_equal(sheet, photo_strip([Round("happy", 91, photo), *rounds[1:]], SEVEN))
    with pytest.raises(ValueError, match="at least one"):
        photo_strip([], SEVEN)


# --- in a live view


@pytest.fixture
def live(monkeypatch) -> LiveSession:
    monkeypatch.setattr(session, "SLOW_FRAME", float("inf"))  # the frames' times are none of this machine's clock
    classifier = FakeClassifier(3 * np.eye(7)[3])
    return LiveSession(classifier, processor=LiveProcessor(classifier, FakeDetector([face(100, 60)])))


def test_a_live_view_plays_with_its_frames_and_writes_nothing(live, workspace):
    game = live.play(seed=1)
    for i in range(round(RATE * (READY + 1))):
        live.frame(PICTURE, arrived=100 + i / RATE)
    assert live.game is game
    assert game.state().phase == "play"
    live.stop()
    assert "Press START" in game.state().note
    assert live.play(seed=2) is not game
    live.discard_game()
    assert live.game is None
    live.frame(PICTURE, arrived=200)
    live.stop()
    assert live.error is None
    assert not workspace.root.exists()


def test_another_model_ends_a_game_and_the_same_does_not(live):
    game = live.play(seed=1)
    live.use(live._processor._classifier)
    assert not game.over
    live.use(FakeClassifier(np.zeros(7)))
    assert "model changed" in game.state().ended


def test_any_thread_may_play_at_any_moment(live):

    def work(number: int) -> None:
        for i in range(60):
            game = live.game
            if number == 0:
                live.play(seed=i)
            elif number == 1 and game:
                game.skip(game.state().number)
            elif number == 2:
                live.discard_game()
            elif number == 3:
                live.stop()
            else:
                live.frame(PICTURE, arrived=i / 2)
                assert live.error is None

    at_once(work)
