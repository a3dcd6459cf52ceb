"""Whole hunts in pseudo-data: are their p-values right, and what do they see?"""
