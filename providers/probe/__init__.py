"""What a store really does, tried on a bucket of the operator's own and held against its profile.

Stores answer 200 to what they ignore: a header proves nothing, a violation that was refused does. ``exam``
attempts the violations under one random prefix and removes what it wrote, ``catalogue`` says which fact each
attempt tests, ``verdict`` compares, ``report`` keeps the outcome with its date and digest, and ``overlay`` puts
what was seen in the place of what was declared. Nothing here moves data or decides what a migration may do.
"""
