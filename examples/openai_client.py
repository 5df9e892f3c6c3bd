"""Talks to a running gateway with OpenAI's own client: plain and streaming, and what an error looks like.

    cargo run --release -- up examples/quickstart
    pip install openai && python examples/openai_client.py http://127.0.0.1:8080/v1
"""

import sys

import openai

client = openai.OpenAI(base_url=sys.argv[1], api_key="unused", max_retries=0)
question = [{"role": "user", "content": "What holds the line?"}]

models = [model.id for model in client.models.list().data]
print("models:", ", ".join(models))

for model in models:
    answer = client.chat.completions.create(model=model, messages=question, max_tokens=5)
    text = answer.choices[0].message.content
    assert answer.usage.completion_tokens == 5 and len(text.split()) == 5
    print(f"{model}: {text!r}, {answer.usage.prompt_tokens} prompt tokens")

    streamed, usage = "", None
    options = {"include_usage": True}
    for chunk in client.chat.completions.create(
        model=model, messages=question, max_tokens=5, stream=True, stream_options=options
    ):
        streamed += chunk.choices[0].delta.content if chunk.choices else ""
        usage = chunk.usage or usage
    assert streamed == text and usage.completion_tokens == 5
    print(f"{model}, streamed: {streamed!r}")

    completion = client.completions.create(model=model, prompt="Hello", max_tokens=3)
    chunks = client.completions.create(model=model, prompt="Hello", max_tokens=3, stream=True)
    assert "".join(chunk.choices[0].text for chunk in chunks) == completion.choices[0].text

try:
    client.chat.completions.create(model="unknown", messages=question)
    raise AssertionError("an unknown model was answered")
except openai.NotFoundError as error:
    print("unknown model:", error.message)

try:
    client.chat.completions.create(model=models[0], messages=question, max_tokens=-1)
    raise AssertionError("max_tokens -1 was accepted")
except openai.BadRequestError as error:
    print("bad request:", error.message)
