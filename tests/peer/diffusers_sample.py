#!/usr/bin/env python3
"""Opens the pipeline in folder A with diffusers' from_pretrained, samples from the noise and settings in B, and compares the image with
titrate's in C: prints the largest difference and fails where it is more than one level of 255.

    pip install torch==2.15.0 diffusers==0.42.1 transformers==5.23.0 safetensors && python3 diffusers_sample.py A B.json C.safetensors
"""
import json
import logging
import sys
import warnings

warnings.filterwarnings("ignore")
import diffusers
import torch
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from safetensors.torch import load_file

diffusers.logging.set_verbosity(logging.ERROR)
diffusers.logging.disable_progress_bar()

folder, settings, tensors = sys.argv[1:]
settings, tensors = json.load(open(settings)), load_file(tensors)
pipe = diffusers.DiffusionPipeline.from_pretrained(folder)
pipe.set_progress_bar_config(disable=True)
# titrate encodes to the posterior's mode, which draws nothing.
DiagonalGaussianDistribution.sample = lambda self, generator=None: self.mode()
more = {}
if "mask" in tensors:
    more = dict(image=tensors["image"], mask_image=tensors["mask"], strength=1.0)
made = pipe(settings["prompt"], latents=tensors["noise"], num_inference_steps=settings["steps"], guidance_scale=settings["guidance"],
            height=settings["size"], width=settings["size"], output_type="pt", **more).images[0]
difference = (made.permute(1, 2, 0) * 255 - tensors["expected"]).abs()
print(f"{type(pipe).__name__}, diffusers {diffusers.__version__}: largest difference {difference.max():.3f} of 255, mean {difference.mean():.4f}")
sys.exit(difference.max().item() > 1)
