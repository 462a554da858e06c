"""A stream as it comes, a camera's or a file's at real speed: verdicts on the last seconds, in bounded time and memory.

* `watch.py`    the job: from an address to `LiveVerdict`s. Start here.
* `source.py`   what an address names, and how it is opened
* `stream.py`   one connection: packets to pictures and sound, in order of time
* `reading.py`  when they come: at real speed, and again after a break
* `waiting.py`  the bounded place between reading and looking
* `onlooker.py` what is known of the recent past; `people.py` keeps its persons apart, `words.py` what is said
* `line.py`     what is printed
"""
