"""Devices: what a network would take elsewhere, estimated from figures whose sources are named. Nothing is measured."""
