#!/bin/sh
ls "$1" | wc -l
