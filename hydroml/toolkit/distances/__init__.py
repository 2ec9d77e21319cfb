"""How far apart two sets of things are: pictures, videos, molecules, years of daily flow."""
