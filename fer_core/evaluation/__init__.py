"""(room to come)"""
