"""What a fixed camera always sees: learnt per camera, and used against static false fish.

options -> sample -> learn -> store -> stage, which `deckwatch batch --background` and
`classify --background` call for every picture. Nothing here is imported by a plain `classify`.
"""
