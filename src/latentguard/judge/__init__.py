"""Did this text refuse?"""
