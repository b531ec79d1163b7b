"""Networks: the UNet, the noisy classifier, a small GAN, and the format of released checkpoints."""
