"""What a server shared by several people needs: settings, users with workspaces of their own, bounds, the relay.

Nothing here is used while the app serves one person on this machine. See docs/deploy.md.
"""
