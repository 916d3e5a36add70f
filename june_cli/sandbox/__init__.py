"""Code that nobody trusts, run and judged: a pool of warm hardened containers, and what runs inside them.

A worker has two processes of June's. The *judge* holds the tests and never runs what it judges. The *spawner*
gives each sample a process, a user, a folder and limits of its own, and sees neither tests nor samples.
Between the judge and a sample passes numbered plain data, and nothing else.
"""
