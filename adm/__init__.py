"""Diffusion Models Beat GANs on Image Synthesis (Dhariwal & Nichol, 2021) as a reproducible workflow."""
