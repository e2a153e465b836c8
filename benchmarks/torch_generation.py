"""Characters written by PyTorch, for `benchmarks/generation_speed.py`, which starts this with a Python that has torch.

Reads one JSON object per line, {"way": …, "batch": …, "tokens": …}, and answers each with the seconds that it took.
Needs no other package of the project: PyTorch is a tool of this benchmark alone.
"""

import json
import sys
import time

import torch

VOCABULARY, EMBEDDING = int(sys.argv[1]), int(sys.argv[2])
UNITS, LAYERS, THREADS = int(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])
torch.set_num_threads(THREADS)
torch.manual_seed(0)

embedding = torch.nn.Embedding(VOCABULARY, EMBEDDING)
lstm = torch.nn.LSTM(EMBEDDING, UNITS, LAYERS, batch_first=True)
cells = torch.nn.ModuleList(torch.nn.LSTMCell(UNITS if layer else EMBEDDING, UNITS) for layer in range(LAYERS))
projection = torch.nn.Linear(UNITS, EMBEDDING, bias=False)
head = torch.nn.Linear(EMBEDDING, VOCABULARY)


def draw(features):
    """A token of every row at temperature 1."""
    return torch.multinomial(torch.softmax(head(projection(features)), dim=-1), 1)[:, 0]


def with_layer(batch, tokens):
    """`nn.LSTM`, a step of one token at a time."""
    token = torch.zeros(batch, dtype=torch.long)
    states = (torch.zeros(LAYERS, batch, UNITS), torch.zeros(LAYERS, batch, UNITS))
    written = []
    for _ in range(tokens):
        output, states = lstm(embedding(token)[:, None], states)
        token = draw(output[:, 0])
        written.append(token)
    return torch.stack(written, dim=1)


def with_cells(batch, tokens):
    """A loop over `nn.LSTMCell`."""
    token = torch.zeros(batch, dtype=torch.long)
    states = [(torch.zeros(batch, UNITS), torch.zeros(batch, UNITS)) for _ in cells]
    written = []
    for _ in range(tokens):
        output = embedding(token)
        for layer, cell in enumerate(cells):
            states[layer] = cell(output, states[layer])
            output = states[layer][0]
        token = draw(output)
        written.append(token)
    return torch.stack(written, dim=1)


WAYS = {"nn.LSTM": (with_layer, True), "nn.LSTM without oneDNN": (with_layer, False), "nn.LSTMCell": (with_cells, True)}

with torch.inference_mode():
    for line in sys.stdin:
        request = json.loads(line)
        write, onednn = WAYS[request["way"]]
        began = time.perf_counter()
        with torch.backends.mkldnn.flags(enabled=onednn):
            write(request["batch"], request["tokens"])
        print(json.dumps(time.perf_counter() - began), flush=True)
