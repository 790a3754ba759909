"""The fish in a picture from Triton, with NVIDIA's client and numpy alone.

python raw_tritonclient.py deck.jpg [host:port]
"""
# ruff: noqa: T201 -- an example prints

import sys
from pathlib import Path

import numpy as np
import tritonclient.grpc as grpc

picture, server = [*sys.argv[1:], "127.0.0.1:8001"][:2]
triton = grpc.InferenceServerClient(server)
labels = triton.get_model_config("deckwatch").config.parameters["labels"].string_value.split(",")

# The whole file goes as it is; Triton decodes it.
data = np.frombuffer(Path(picture).read_bytes(), np.uint8)
image = grpc.InferInput("IMAGE", data.shape, "UINT8")
image.set_data_from_numpy(data)
answer = triton.infer("deckwatch", [image], client_timeout=30)

likelihoods = answer.as_numpy("LIKELIHOODS")  # [classes], of the picture
print(labels[likelihoods.argmax()], f"{likelihoods.max():.4f}")
for box, score in zip(answer.as_numpy("BOXES"), answer.as_numpy("SCORES"), strict=True):
    print("  fish", f"{score:.4f}", "at", box.round(1).tolist())  # x1 y1 x2 y2, pixels
