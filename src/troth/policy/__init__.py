"""The published policy as typed data.

Until a policy is published a deployment obeys `strict`, the profile without an operator's name.
"""
