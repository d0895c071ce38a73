"""The processes that own a script. Standard library only: no Django, no other room of ours."""
