"""The exchange with Camio: events in, labels out.

Camio POSTs an event with its images to /tasks/<key> and is answered at once; the labels go to the
event's `callback_url` later. `event` and `labels` are the two messages, `delivery` sends the
second; the rest keeps an event safe in between.
"""
