"""A GPT whose every number is a Value: a transformer of 4,192 parameters that learns to make up first names.

    python examples/microgpt.py                       # a step is recorded once for each length of name, then runs in C
    python examples/microgpt.py --engine scalar       # the same Values, every node built from Python
    python examples/microgpt.py --engine reference    # the same in pure Python

After Andrej Karpathy's microgpt, the transformer on micrograd's scalars: embeddings of letters and places, rmsnorm,
causal attention, an MLP with a squared relu, Adam, one name a step. The model is plain Python over lists of Values.
A compiled step must not read a letter as an index, for then it would be a program of that one name: it gets each letter
as a one-hot row, and `pick` looks it up by a sum of products.
"""

from __future__ import annotations

import argparse
import math
import random
import time
from itertools import pairwise
from operator import mul

import numpy as np

import pyautograd
from pyautograd import optim, reference, scalar

NAMES = """
aaron abigail ada adam adele adrian agatha agnes aidan alan albert alec alexander alfred alice alicia alma amanda
amber amelia amy andrea andrew angela anita anna anthony antonia april arnold arthur astrid audrey axel barbara basil
beatrice benjamin bernard bertha bethany bianca boris brenda brian bridget bruce bruno camilla carl carla carmen
caroline cecilia cedric celia charles charlotte chloe christine clara claudia clement colin conrad cora cyril daisy
daniel daphne david deborah delia dennis derek diana dominic donald dora doris dorothy duncan dylan edgar edith edmund
edward edwin elaine eleanor eli elias eliza ella ellen elliot elsa elvira emily emma enid eric ernest esther ethan
eugene eva evelyn faith felix fergus fiona flora florence frances frank freda frederick freya gabriel gareth gavin
gemma geoffrey george gerald gilbert gina gordon grace graham greta gregory guy gwen hannah harold harriet harry hazel
heather hector helen henry herbert hilary hilda holly horace howard hubert hugh hugo ian ida imogen ingrid irene iris
isaac isabel ivan ivor ivy jack jacob james jane janet jared jasmine jason jasper jean jennifer jeremy jessica joan
joel john jonas jonathan joseph joshua joy judith julia julian june justin karen karl kate keith kenneth kevin kirsten
kurt lara laura lauren laurence leah leo leon leonard leslie lewis lilian lily linda lionel lisa lois louis louise
lucas lucy luke luther lydia lynn mabel madeline magnus marcus margaret maria marion mark martha martin mary matilda
matthew maud maurice maxwell megan melanie mercy michael mildred miles minna miranda miriam mona monica morgan moses
muriel myra nadia nancy naomi natalie nathan neil nellie neville nicholas nigel nina noah noel nora norman octavia
olive oliver olivia oscar oswald otto owen pamela patricia patrick paul paula pearl penelope percy peter petra philip
phoebe phyllis priscilla quentin quinn rachel ralph raymond rebecca regina reuben rex richard rita robert robin rodney
roger roland rosa rose rosemary ross rowena roy rufus rupert russell ruth samantha samuel sandra sara saul sebastian
selma serena seth sharon sheila sidney sigrid silas simon sonia sophia stanley stella stephen steven stuart susan
sybil sylvia tamara tara teresa thea thelma theodore thomas tilda timothy tobias tracy trevor tristan trudy ulric una
ursula valerie vanessa vera verity vernon veronica victor victoria vincent viola violet virginia vivian wallace walter
wanda warren wendy wilfred william willow winifred winston xavier xenia yasmin yolanda yvette yvonne zachary zara
zelda zoe
"""

END = 26  # the token before the first letter and after the last
ENGINES = ("reference", "scalar", "compiled")


def tokens(name):
    """The numbers of a name's letters, with END on both sides."""
    return [END, *(ord(letter) - ord("a") for letter in name), END]


def pick(values, at):
    """values[at]. Where `at` is no int but a one-hot row, the same as a sum of products."""
    return values[at] if isinstance(at, int) else dot(at, values)


def dot(a, b):
    products = map(mul, a, b)
    return sum(products, next(products))


def linear(weight, x):
    """weight (out, in) times x (in)."""
    return [dot(row, x) for row in weight]


def rmsnorm(x):
    scale = (dot(x, x) * (1 / len(x)) + 1e-5) ** -0.5
    return [xi * scale for xi in x]


def softmax(x):
    """Without the largest taken off first: the numbers here stay far from where exp overflows, at 709."""
    e = [xi.exp() for xi in x]
    scale = sum(e) ** -1
    return [ei * scale for ei in e]


class GPT:
    """The model over `value`, the Value of either engine; names of up to `block_size - 1` letters."""

    def __init__(self, value, n_embd=16, n_head=4, n_layer=1, block_size=16, n_vocab=27):
        def matrix(n_out, n_in):
            return [[value(random.gauss(0, 0.08)) for _ in range(n_in)] for _ in range(n_out)]

        self.n_head = n_head
        self.block_size = block_size
        self.token_embedding = matrix(n_vocab, n_embd)
        self.place_embedding = matrix(block_size, n_embd)
        self.layers = [
            {
                "query": matrix(n_embd, n_embd),
                "key": matrix(n_embd, n_embd),
                "value": matrix(n_embd, n_embd),
                "out": matrix(n_embd, n_embd),
                "up": matrix(4 * n_embd, n_embd),
                "down": matrix(n_embd, 4 * n_embd),
            }
            for _ in range(n_layer)
        ]
        self.head = matrix(n_vocab, n_embd)

    def parameters(self):
        matrices = [self.token_embedding, self.place_embedding, self.head]
        for layer in self.layers:
            matrices += layer.values()
        return [weight for matrix in matrices for row in matrix for weight in row]

    def logits(self, token, place, seen):
        """How likely each token is to come next. `seen` holds the keys and values of the places before, layer by layer;
        those of this place are added to it.
        """
        x = [pick(column, token) for column in zip(*self.token_embedding)]
        x = rmsnorm([xi + pi for xi, pi in zip(x, self.place_embedding[place])])
        for layer, (keys, values) in zip(self.layers, seen):
            normed = rmsnorm(x)
            query = linear(layer["query"], normed)
            keys.append(linear(layer["key"], normed))
            values.append(linear(layer["value"], normed))
            attended = self.attention(query, keys, values)
            x = [xi + ai for xi, ai in zip(x, linear(layer["out"], attended))]
            hidden = [h.relu() ** 2 for h in linear(layer["up"], rmsnorm(x))]
            x = [xi + hi for xi, hi in zip(x, linear(layer["down"], hidden))]
        return linear(self.head, x)

    def attention(self, query, keys, values):
        """Each head looks at its own stretch of the query, the keys and the values."""
        size = len(query) // self.n_head
        attended = []
        for start in range(0, len(query), size):
            part = slice(start, start + size)
            scores = [dot(query[part], key[part]) * size**-0.5 for key in keys]
            weights = softmax(scores)
            attended += [dot(weights, column) for column in zip(*(value[part] for value in values))]
        return attended

    def cache(self):
        return [([], []) for _ in self.layers]

    def loss(self, document):
        """The mean of -log p(the next token) over a document, a list of tokens or an array of one-hot rows."""
        seen = self.cache()
        losses = []
        for place, (token, following) in enumerate(pairwise(document)):
            logits = self.logits(token, place, seen)
            # -log of the softmax at `following`
            losses.append(sum(logit.exp() for logit in logits).log() - pick(logits, following))
        return sum(losses) * (1 / len(losses))

    def sample(self, temperature=0.6):
        """A name of the model's own, letter by letter."""
        letters, token, seen = [], END, self.cache()
        for place in range(self.block_size):
            logits = self.logits(token, place, seen)
            odds = [math.exp(logit.data / temperature) for logit in logits]
            (token,) = random.choices(range(len(odds)), odds)
            if token == END:
                break
            letters.append(chr(ord("a") + token))
        return "".join(letters)


class Adam:
    """Adam for Values of `reference`, which `optim` does not know."""

    def __init__(self, params, lr, betas, eps=1e-8):
        self.params = params
        self.param_groups = [{"lr": lr}]
        self.betas, self.eps = betas, eps
        self.m = [0.0] * len(params)
        self.v = [0.0] * len(params)
        self.steps = 0

    def zero_grad(self):
        for param in self.params:
            param.grad = 0.0

    def step(self):
        self.steps += 1
        beta1, beta2 = self.betas
        lr = self.param_groups[0]["lr"] / (1 - beta1**self.steps)
        rescale = 1 / (1 - beta2**self.steps)
        for i, param in enumerate(self.params):
            grad = param.grad
            m = self.m[i] = beta1 * self.m[i] + (1 - beta1) * grad
            v = self.v[i] = beta2 * self.v[i] + (1 - beta2) * grad * grad
            param.data -= lr * m / ((v * rescale) ** 0.5 + self.eps)


def make(value, seed=42, **sizes):
    """The model over the Value of an engine, with the weights of a seed."""
    random.seed(seed)
    return GPT(value, **sizes)


def build(engine, lr=0.01, **sizes):
    """(model, optimizer, step): `step(tokens)` trains on one document and returns its loss as a float."""
    model = make(reference.Value if engine == "reference" else scalar.Value, **sizes)
    adam = Adam if engine == "reference" else optim.Adam
    optimizer = adam(model.parameters(), lr=lr, betas=(0.85, 0.99))

    def train(document):
        optimizer.zero_grad()
        loss = model.loss(document)
        loss.backward()
        optimizer.step()
        return loss

    if engine != "compiled":
        return model, optimizer, lambda document: train(document).data

    compiled = pyautograd.compile(train)
    one_hot = np.eye(len(model.head))
    return model, optimizer, lambda document: compiled(one_hot[document]).data


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--engine", choices=ENGINES, default="compiled")
    parser.add_argument("--steps", type=int, help="1000; 50 for --engine reference")
    parser.add_argument("--samples", type=int, default=10)
    arguments = parser.parse_args()
    steps = arguments.steps or (50 if arguments.engine == "reference" else 1000)

    lr = 0.01
    model, optimizer, step = build(arguments.engine, lr=lr)
    names = NAMES.split()
    random.shuffle(names)
    print(f"{len(names)} names, {len(model.parameters())} parameters")
    recent, clock = [], time.perf_counter()
    for k in range(steps):
        optimizer.param_groups[0]["lr"] = lr * (1 - k / steps)
        recent.append(step(tokens(names[k % len(names)])))
        if (k + 1) % max(1, steps // 10) == 0:
            each = (time.perf_counter() - clock) / len(recent) * 1e3
            print(f"step {k + 1:>5}: loss {sum(recent) / len(recent):.4f}, {each:.3f} ms a step")
            recent, clock = [], time.perf_counter()
    with pyautograd.no_grad():
        print("new names:", *(model.sample() for _ in range(arguments.samples)))


if __name__ == "__main__":
    main()
