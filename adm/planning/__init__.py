"""What a scale would take, from its params file alone: jobs, time, bytes, and how the jobs fit on some GPUs."""
