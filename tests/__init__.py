"""The tests of latentguard; the folders mirror the rooms of the package."""
