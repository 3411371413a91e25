"""Rivals that somebody else made: real sentence-transformers, real classifiers, the real openai client."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification, BertModel, BertTokenizerFast

from latentguard.data import Prompt
from latentguard.errors import BadData, ModelNotFound, ModelNotSupported
from latentguard.guard.fitting_data import FittingData
from latentguard.rivals import Classifier, Embeddings, Endpoint
from latentguard.rivals.classifier import harmful_labels
from tests.guard.toy import OBJECTS, PLACES, toy_prompts

WORDS = sorted({word.lower() for word in " ".join((*OBJECTS, *PLACES, "please smash paint the")).split()})
PROMPTS = toy_prompts(range(20))
DATA = FittingData(tuple(PROMPTS[:24]), tuple(PROMPTS[24:]))


def silent(*_: object) -> None:
    pass


def tokenizer(folder: Path) -> BertTokenizerFast:
    vocabulary = folder / "vocab.txt"
    vocabulary.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]))
    return BertTokenizerFast(str(vocabulary))


def config(**more: object) -> BertConfig:
    return BertConfig(
        vocab_size=len(WORDS) + 5, hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=64, **more,
    )  # fmt: skip


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random encoder, as sentence-transformers writes one."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

    folder = tmp_path_factory.mktemp("encoder")
    torch.manual_seed(0)
    BertModel(config()).save_pretrained(folder / "bert")
    tokenizer(folder).save_pretrained(folder / "bert")
    inner = Transformer(str(folder / "bert"))
    SentenceTransformer(modules=[inner, Pooling(inner.get_embedding_dimension(), pooling_mode="mean")]).save(
        str(folder / "encoder")
    )
    return folder / "encoder"


def test_embeddings_and_logistic_learn_which_word_tells_the_classes(encoder):
    scorer = Embeddings.of(encoder).fit(DATA, silent)
    unseen = toy_prompts(range(40, 50))
    scores = scorer(unseen, silent)
    harmful = np.array([one.label == "harmful" for one in unseen])
    assert scores[harmful].min() > scores[~harmful].max()
    assert Embeddings.of(encoder).name == "embeddings (encoder) + logistic"


def test_a_folder_that_holds_no_encoder_is_refused_by_name(tmp_path):
    with pytest.raises(ModelNotFound, match="is no folder"):
        Embeddings.of(tmp_path / "nowhere")
    with pytest.raises(ModelNotFound, match="sentence-transformers cannot read it"):
        Embeddings.of(tmp_path)


def classifier(folder: Path, labels: tuple[str, ...], **more: object) -> Path:
    torch.manual_seed(1)
    named = dict(enumerate(labels))
    model = BertForSequenceClassification(
        config(id2label=named, label2id={name: index for index, name in named.items()}, **more)
    )
    model.save_pretrained(folder)
    tokenizer(folder).save_pretrained(folder)
    return folder


def logits(folder: Path, text: str) -> torch.Tensor:
    model = BertForSequenceClassification.from_pretrained(folder).eval()
    with torch.no_grad():
        return model(**tokenizer(folder)(text, return_tensors="pt")).logits[0].double()


def test_a_classifier_scores_the_log_odds_of_its_harmful_labels(tmp_path):
    folder = classifier(tmp_path, ("safe", "violence", "fraud"))
    scores = Classifier.of(str(folder)).fit(DATA, silent)(PROMPTS, silent)
    one = logits(folder, PROMPTS[7].text).softmax(dim=-1)
    assert scores[7] == pytest.approx(float(((one[1] + one[2]) / one[0]).log()), abs=1e-4)


def test_a_prompt_longer_than_a_classifier_reads_is_cut(tmp_path):
    folder = classifier(tmp_path, ("safe", "unsafe"))
    long = [Prompt.of("please paint the cake " * 60, label="harmless")]
    assert Classifier.of(str(folder)).fit(DATA, silent)(long, silent).shape == (1,)


def test_labels_that_do_not_exclude_one_another_score_by_the_likeliest(tmp_path):
    folder = classifier(tmp_path, ("toxic", "threat"), problem_type="multi_label_classification")
    scores = Classifier.of(str(folder)).fit(DATA, silent)(PROMPTS, silent)
    assert scores[3] == pytest.approx(float(logits(folder, PROMPTS[3].text).max()), abs=1e-4)


@pytest.mark.parametrize(
    ("labels", "told", "each_alone", "found"),
    [
        (("SAFE", "UNSAFE"), None, False, (1,)),
        (("benign", "jailbreak"), None, False, (1,)),
        (("not_toxic", "toxic"), None, False, (1,)),
        (("non-hate", "hate", "offensive"), None, False, (1, 2)),
        (("LABEL_0", "LABEL_1"), ("LABEL_1",), False, (1,)),
        (("toxic", "threat"), None, True, (0, 1)),
    ],
)
def test_which_labels_mean_harm(labels, told, each_alone, found):
    assert harmful_labels("acme/guard", labels, told, each_alone=each_alone) == found


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        (("LABEL_0", "LABEL_1"), None),
        (("toxic", "threat"), None),
        (("safe", "benign"), None),
        (("a", "b"), ("c",)),
        (("a", "b"), ("a", "b")),
        (("a", "b"), ()),
    ],
)
def test_labels_that_do_not_say_what_is_harmful_are_refused(labels, told):
    with pytest.raises(ModelNotSupported, match="has the labels"):
        harmful_labels("acme/guard", labels, told)


def test_what_is_no_classifier_is_refused_by_name(tmp_path):
    with pytest.raises(ModelNotFound, match="reads no classifier there"):
        Classifier.of(str(tmp_path))


class Moderator(BaseHTTPRequestHandler):
    """OpenAI's moderation shape: smashing is violence; one result too few for a prompt about a kite."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        results = [
            {
                "flagged": "smash" in text,
                "categories": {},
                "category_applied_input_types": {},
                "category_scores": {"violence": 0.9 if "smash" in text else 0.1, "hate": 0.2},
            }
            for text in body["input"]
            if "kite" not in text
        ]
        broken = "stove" in body["input"][0]
        if "drum" in body["input"][0]:
            results = None  # an answer that is no moderation
        answer = json.dumps({"id": "m", "model": body["model"], "results": results}).encode()
        self.send_response(404 if broken else 200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def moderator():
    server = HTTPServer(("127.0.0.1", 0), Moderator)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()


def test_an_endpoint_is_asked_through_the_openai_client_and_scores_its_highest_category(moderator):
    rival = Endpoint.of(moderator, model="guard-2", api_key="k")
    assert rival.name == "endpoint (guard-2)"
    asked = [one for one in PROMPTS if not any(word in one.text for word in ("kite", "stove", "drum"))]
    scores = rival.fit(DATA, silent)(asked, silent)
    assert scores.tolist() == [0.9 if one.label == "harmful" else 0.2 for one in asked]


def test_an_endpoint_that_answers_fewer_prompts_or_not_at_all_is_an_error(moderator):
    scorer = Endpoint.of(moderator, api_key="k").fit(DATA, silent)
    with pytest.raises(BadData, match="answered 0 of 1 prompts"):
        scorer([one for one in PROMPTS if "kite" in one.text][:1], silent)
    with pytest.raises(BadData, match="with no moderation"):
        scorer([one for one in PROMPTS if "drum" in one.text][:1], silent)
    with pytest.raises(ModelNotFound, match="did not answer as a moderation endpoint"):
        scorer([one for one in PROMPTS if "stove" in one.text][:1], silent)


def test_an_endpoint_without_a_key_is_refused_by_name(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ModelNotFound, match="OPENAI_API_KEY"):
        Endpoint.of("http://127.0.0.1:9/v1")
