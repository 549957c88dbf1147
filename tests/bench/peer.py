"""PyTorch's side of `cargo xtask bench`, with diffusers' and torchvision's models: reads `COUNT KIND NUMBER..` a line, answers with the seconds that
COUNT iterations took and with the setting, which is the fastest of those tried for that case.

The folder given as an argument has the models' configurations. The same work as in models.rs, classifiers.rs and operations.rs.
"""

import functools
import json
import math
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, DPMSolverMultistepScheduler, UNet2DConditionModel
from torchvision.models import efficientnet

LATENTS, DOWNSAMPLING, CONTEXT = 4, 4, (32, 64)
SAMPLING_STEPS, GUIDANCE = 12, 3.0
GROUPS, HEADS = 8, 4
CLASSES = 9
LAYOUTS = {"NCHW": torch.contiguous_format, "NHWC": torch.channels_last}

folder = Path(sys.argv[1])


def config(name):
    return json.loads((folder / f"{name}.json").read_text())


def unet(layout):
    return UNet2DConditionModel.from_config(config("unet")).to(memory_format=LAYOUTS[layout])


def vae(layout):
    return AutoencoderKL.from_config(config("vae")).eval().requires_grad_(False).to(memory_format=LAYOUTS[layout])


def image(layout, *shape):
    return torch.randn(*shape).to(memory_format=LAYOUTS[layout])


def scheduler():
    return DPMSolverMultistepScheduler(**config("scheduler"))


def train(layout, side, batch):
    model, noising = unet(layout).train(), scheduler()
    optimiser = torch.optim.AdamW(model.parameters(), lr=5e-4, weight_decay=0.01, fused=True)
    clean, context = image(layout, batch, LATENTS, side, side), torch.randn(batch, *CONTEXT)
    products = noising.alphas_cumprod

    def step():
        noise, timesteps = torch.randn_like(clean), torch.randint(0, len(products), (batch,))
        alpha = products[timesteps].sqrt().view(-1, 1, 1, 1)
        sigma = (1 - products[timesteps]).sqrt().view(-1, 1, 1, 1)
        answer = model(alpha * clean + sigma * noise, timesteps, context).sample
        F.mse_loss(answer, alpha * noise - sigma * clean).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)

    return step


def sample(layout, side, count):
    model, decoder = unet(layout).eval().requires_grad_(False), vae(layout)
    prompt, empty = torch.randn(1, *CONTEXT), torch.randn(1, *CONTEXT)
    context = torch.cat([empty.expand(count, -1, -1), prompt.expand(count, -1, -1)])

    @torch.inference_mode()
    def images():
        solver = scheduler()
        solver.set_timesteps(SAMPLING_STEPS)
        noisy = image(layout, count, LATENTS, side, side) * solver.init_noise_sigma
        for timestep in solver.timesteps:
            without, guided = model(torch.cat([noisy, noisy]), timestep, context).sample.chunk(2)
            noisy = solver.step(without + GUIDANCE * (guided - without), timestep, noisy).prev_sample
        decoded = decoder.decode(noisy / decoder.config.scaling_factor).sample
        return ((decoded / 2 + 0.5).clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()

    return images


def encode(layout, size, batch):
    model, images = vae(layout), image(layout, batch, 3, size, size)
    return torch.inference_mode()(lambda: model.encode(images).latent_dist)


def decode(layout, size, batch):
    model, side = vae(layout), size // DOWNSAMPLING
    latents = image(layout, batch, LATENTS, side, side)
    return torch.inference_mode()(lambda: model.decode(latents).sample)


def classifier(name, layout):
    if name == "v2-s":
        model = efficientnet.efficientnet_v2_s(num_classes=CLASSES)
    else:
        small, stages = config("classifier"), []
        for stage in small["stages"]:
            kind = efficientnet.FusedMBConvConfig if stage["fused"] else efficientnet.MBConvConfig
            keys = ["expand", "kernel", "stride", "in_channels", "out_channels", "layers"]
            stages.append(kind(*(stage[key] for key in keys)))
        norm = functools.partial(torch.nn.BatchNorm2d, eps=small["bn_eps"])
        model = efficientnet.EfficientNet(
            stages,
            dropout=small["dropout"],
            stochastic_depth_prob=small["stochastic_depth"],
            num_classes=CLASSES,
            norm_layer=norm,
            last_channel=small["head_channels"],
        )
    return model.to(memory_format=LAYOUTS[layout])


def classifier_step(name, layout, size, batch):
    model = classifier(name, layout).train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.9, 0.99), eps=1e-5, weight_decay=0.01, fused=True)
    images, labels = torch.rand(batch, 3, size, size).to(memory_format=LAYOUTS[layout]), torch.arange(batch) % CLASSES

    def step():
        F.cross_entropy(model(images), labels).backward()
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)

    return step


def classifier_infer(name, layout, size, count):
    model = classifier(name, layout).eval().requires_grad_(False)
    images = torch.rand(count, 3, size, size).to(memory_format=LAYOUTS[layout])
    return torch.inference_mode()(lambda: model(images).softmax(dim=1))


def transforms(size, batch):
    """fastai's aug_transforms, its formulas written out for a batch: without fastai's own overhead of tensor subclasses."""
    images = torch.randint(0, 256, (batch, size, size, 3), dtype=torch.uint8)
    zeros, ones = torch.zeros(batch), torch.ones(batch)
    corners = torch.tensor([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]]).expand(batch, 4, 2)

    def draw(low, high, p, neutral):
        return torch.where(torch.rand(batch) < p, torch.empty(batch).uniform_(low, high), torch.tensor(neutral))

    def matrix(*values):
        return torch.stack([*values, zeros, zeros, ones], dim=1).view(batch, 3, 3)

    def perspective(x, y):
        to = torch.stack([-1 - y, -1 - x, -1 + y, 1 + x, 1 + y, -1 + x, 1 - y, 1 - x], dim=1).view(batch, 4, 2)
        rows = []
        for i in range(4):
            (u, v), (s, t) = corners[:, i].T, to[:, i].T
            rows += [torch.stack([s, t, ones, zeros, zeros, zeros, -u * s, -u * t], dim=1)]
            rows += [torch.stack([zeros, zeros, zeros, s, t, ones, -v * s, -v * t], dim=1)]
        solved = torch.linalg.solve(torch.stack(rows, dim=1), corners.reshape(batch, 8, 1))[..., 0]
        return torch.cat([solved, ones[:, None]], dim=1).view(batch, 3, 3)

    def logit(x):
        return -(1 / x.clamp(1e-7, 1 - 1e-7) - 1).log()

    @torch.inference_mode()
    def transformed():
        x = images.permute(0, 3, 1, 2).float().div_(255).contiguous()
        flip = 1 - 2 * (torch.rand(batch) < 0.5).float()
        angle, scale = draw(-10, 10, 0.75, 0.0).deg2rad(), 1 / draw(1, 1.1, 0.75, 1.0)
        sin, cos = angle.sin(), angle.cos()
        centre = (1 - scale) * (2 * torch.rand(2, batch) - 1)
        zoom = matrix(scale, zeros, centre[0], zeros, scale, centre[1])
        affine = matrix(flip, zeros, zeros, zeros, ones, zeros) @ matrix(cos, sin, zeros, -sin, cos, zeros) @ zoom
        grid = F.affine_grid(affine[:, :2], x.shape, align_corners=True).view(batch, -1, 2)
        warp = perspective(draw(-0.2, 0.2, 0.75, 0.0), draw(-0.2, 0.2, 0.75, 0.0))
        grid = grid @ warp[..., :2].transpose(1, 2) + warp[..., 2].unsqueeze(1)
        grid = (grid[..., :2] / grid[..., 2:]).view(batch, size, size, 2)
        x = F.grid_sample(x, grid, mode="bilinear", padding_mode="reflection", align_corners=True)
        brightness, contrast = logit(draw(0.4, 0.6, 0.75, 0.5)), draw(math.log(0.8), -math.log(0.8), 0.75, 0.0).exp()
        return torch.sigmoid(logit(x).add_(brightness.view(-1, 1, 1, 1)).mul_(contrast.view(-1, 1, 1, 1)))

    return transformed


def operation(differentiated, function, *inputs):
    if not differentiated:
        return torch.inference_mode()(lambda: function(*inputs))
    inputs = [values.requires_grad_() for values in inputs]

    def both_ways():
        y = function(*inputs)
        # candle's `backward` makes the ones that it starts from, too.
        return torch.autograd.grad(y, inputs, torch.ones_like(y))

    return both_ways


def conv(layout, both, side, batch, source, target):
    inputs = image(layout, batch, source, side, side), image(layout, target, source, 3, 3), torch.randn(target)
    return operation(both, lambda x, w, b: F.conv2d(x, w, b, padding=1), *inputs)


def depthwise(layout, both, side, batch, channels):
    inputs = image(layout, batch, channels, side, side), image(layout, channels, 1, 3, 3)
    return operation(both, lambda x, w: F.conv2d(x, w, padding=1, groups=channels), *inputs)


def depthwise_norm(layout, both, side, batch, channels):
    inputs = image(layout, batch, channels, side, side), image(layout, channels, 1, 3, 3), torch.randn(channels), torch.randn(channels)

    def normalised(x, filters, weight, bias):
        convolved = F.conv2d(x, filters, padding=1, groups=channels)
        return F.silu(F.batch_norm(convolved, None, None, weight, bias, training=True, eps=1e-3))

    return operation(both, normalised, *inputs)


def norm_silu(layout, both, side, batch, channels):
    inputs = image(layout, batch, channels, side, side), torch.randn(channels), torch.randn(channels)
    return operation(both, lambda x, w, b: F.silu(F.group_norm(x, GROUPS, w, b)), *inputs)


def attention(both, queries, keys, batch, channels):
    def heads(x):
        return x.view(batch, -1, HEADS, channels // HEADS).transpose(1, 2)

    def attended(q, k, v):
        return F.scaled_dot_product_attention(heads(q), heads(k), heads(v)).transpose(1, 2).reshape(batch, queries, channels)

    return operation(both, attended, *(torch.randn(batch, n, channels) for n in (queries, keys, keys)))


def linear(both, rows, source, target):
    return operation(both, F.linear, torch.randn(rows, source), torch.randn(target, source), torch.randn(target))


def silu(both, count):
    return operation(both, F.silu, torch.randn(count))


MODELS = {"train": train, "sample": sample, "encode": encode, "decode": decode}
CLASSIFIERS = {"step": classifier_step, "infer": classifier_infer}
IMAGES = {"conv": conv, "depthwise": depthwise, "depthwise-norm": depthwise_norm, "norm-silu": norm_silu}
VECTORS = {"attention": attention, "linear": linear, "silu": silu}
PLAIN = {"transforms": transforms}


def timed(work, count):
    clock = time.perf_counter()
    for _ in range(count):
        work()
    return time.perf_counter() - clock


def variants(kind, numbers):
    """Each layout of images that the case can have, and its work."""
    name, both = kind.rstrip("+"), kind.endswith("+")
    for layout in LAYOUTS:
        if name in MODELS:
            yield layout, MODELS[name](layout, *numbers)
        elif "-" in name and (parts := name.rsplit("-", 1))[1] in CLASSIFIERS:
            yield layout, CLASSIFIERS[parts[1]](parts[0], layout, *numbers)
        elif name in IMAGES:
            yield layout, IMAGES[name](layout, both, *numbers)
    if name in VECTORS:
        yield "", VECTORS[name](both, *numbers)
    if name in PLAIN:
        yield "", PLAIN[name](*numbers)


def prepare(kind, numbers):
    """The fastest setting: its words, its threads and its work."""
    tried = []
    for layout, work in variants(kind, numbers):
        for threads in (1, 2):
            torch.set_num_threads(threads)
            count = max(1, min(100, int(0.2 / max(1e-9, timed(work, 2) / 2))))
            setting = f"{threads} thread{'s' * (threads > 1)} {layout}".strip()
            tried.append((min(timed(work, count) / count for _ in range(3)), setting, threads, work))
    return min(tried, key=lambda one: one[0])[1:]


prepared = (None, None)
print("ready", flush=True)
for line in sys.stdin:
    count, case = line.strip().split(" ", 1)
    if prepared[0] != case:
        kind, *numbers = case.split(" ")
        prepared = (case, prepare(kind, [int(number) for number in numbers]))
    setting, threads, work = prepared[1]
    torch.set_num_threads(threads)
    work()
    print(timed(work, int(count)), setting, flush=True)
